"""A client that asks a server again and again, whatever comes, and knows afterwards when it was refused."""

from __future__ import annotations

import shlex

from testinfra.host import Host

from pmm_client import PASSWORDS
from polling import until

_URL = "http://localhost:8080/v1/chat/sessions?limit=1"
_LOGIN = f"alice:{PASSWORDS['alice']}"
_ASK = f"curl --silent --output /dev/null --max-time 30 --user {_LOGIN} --write-out '%{{http_code}}' '{_URL}'"


class Asking:
    """Asks about ten times a second, through nginx and with a login, for something that is in the database."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._folder = str(host.check_output("mktemp --directory"))
        ask = f'echo "$(date +%s.%N) $({_ASK})"'
        loop = f"while [ ! -e {self._folder}/stop ]; do {ask}; sleep 0.1; done >{self._folder}/answers"
        script = shlex.quote(f"{loop}; touch {self._folder}/stopped")
        assert host.run(f"setsid sh -c {script} </dev/null >/dev/null 2>&1 &").rc == 0
        until("it was answered", lambda: host.run(f"grep --quiet ' 200$' {self._folder}/answers").rc == 0)

    def stop(self) -> tuple[list[float], list[float]]:
        """Stop, and return when it was answered and when it was not."""
        assert self._host.run(f"touch {self._folder}/stop").rc == 0
        until("it has stopped", lambda: self._host.file(f"{self._folder}/stopped").exists)
        lines = [line.split() for line in self._host.file(f"{self._folder}/answers").content_string.splitlines()]
        moments = [(float(moment), status == "200") for moment, status in lines]
        return [at for at, well in moments if well], [at for at, well in moments if not well]
