"""Testinfra's way into a throwaway server, the one that Ansible has: `podman exec` takes thirty times as long."""

from typing import Any

from testinfra.backend import BACKENDS
from testinfra.backend.base import BaseBackend, CommandResult

from throwaway_server import run_inside

SCHEME = "throwaway"


class ThrowawayBackend(BaseBackend):
    """Runs commands as root in the container of this name."""

    NAME = SCHEME

    def __init__(self, name: str, *args: Any, **options: Any) -> None:
        """Take the container's name."""
        self.name = name
        super().__init__(name, *args, **options)

    def run(self, command: str, *args: str, **_options: Any) -> CommandResult:
        """Run a command in a shell."""
        line = self.get_command(command, *args)
        done = run_inside(self.name, ["/bin/sh", "-c", line])
        return self.result(done.returncode, self.encode(line), done.stdout, done.stderr)


def register() -> None:
    """Let `throwaway://NAME` name a server."""
    BACKENDS[SCHEME] = f"{__name__}.{ThrowawayBackend.__name__}"
