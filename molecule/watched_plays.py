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
        """Run the play with these variables over the inventory's, whatever comes of it but a secret in what it says."""
        done = play(self.edition if newer else None, "-vvv", "--diff", *options, variables=variables)
        assert shown(done.stdout + done.stderr) == []
        return done
