"""Plays of which every word is looked through for secrets, and the logs of the two machines."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from testinfra.host import Host

from canaries import shown
from controller import play

SYSLOG = "/run/heard"
"""Where the server's syslog is written."""

_LISTENER = f"""
import socket
place = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
place.bind("/dev/log")
while True:
    with open("{SYSLOG}", "ab") as heard:
        heard.write(place.recv(1 << 20) + b"\\n")
"""


def listen(host: Host) -> None:
    """Give the server a syslog, in which Ansible notes every module that is run there, with its arguments."""
    host.check_output(f"test -e /dev/log || setsid python3 -c '{_LISTENER}' </dev/null >/dev/null 2>&1 &")


@dataclass(frozen=True)
class Deploy:
    """The way to deploy the project's edition, or a newer one."""

    edition: Path

    def __call__(self, *options: str, newer: bool = False, **variables: object) -> subprocess.CompletedProcess[str]:
        """Deploy with these variables over the inventory's, whatever comes of it but a secret in what it says."""
        return self._watched("deploy_ai_chat", options, variables, self.edition if newer else None)

    def go_back(self, *options: str, **variables: object) -> subprocess.CompletedProcess[str]:
        """Roll back by hand, whatever comes of it but a secret in what it says."""
        return self._watched("roll_back_ai_chat", options, variables, None)

    def _watched(
        self, name: str, options: tuple[str, ...], variables: dict[str, object], edition: Path | None
    ) -> subprocess.CompletedProcess[str]:
        done = play(edition, "-vvv", "--diff", *options, name=name, variables=variables)
        assert shown(done.stdout + done.stderr) == []
        return done
