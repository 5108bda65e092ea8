"""Ansible's connection to a throwaway server: into its namespaces, some fifty times as fast as `podman exec`."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
name: throwaway_server
short_description: Work on a container of podman's on this machine
description:
  - Runs commands as root in a container, with pipelining.
  - Root enters the container's namespaces with C(nsenter). Anybody else goes through C(podman exec).
author:
  - Percona
options:
  remote_addr:
    description: Name of the container.
    default: inventory_hostname
    vars:
      - name: inventory_hostname
      - name: ansible_host
"""


@dataclass(frozen=True)
class _Door:
    """What a command is put behind to run in the container, and the environment that takes."""

    command: tuple[str, ...]
    environment: dict[bytes, bytes] | None = None


class Connection(ConnectionBase):
    """One per task, as Ansible makes them."""

    transport = "throwaway_server"
    has_pipelining = True

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a command line."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        return self._run(shlex.split(cmd), in_data)

    def put_file(self, in_path: str, out_path: str) -> None:
        """Copy a file into the container."""
        super().put_file(in_path, out_path)
        self._copy("cat > {}", out_path, Path(in_path).read_bytes())

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Copy a file out of the container."""
        super().fetch_file(in_path, out_path)
        Path(out_path).write_bytes(self._copy("cat {}", in_path))

    def close(self) -> None:
        """Nothing stays open."""

    def _connect(self) -> Connection:
        return self

    @cached_property
    def _door(self) -> _Door:
        container = self.get_option("remote_addr")
        if os.geteuid() != 0:
            return _Door(("podman", "exec", "--interactive", container))
        process = _first_process(container)
        # As `podman exec` would give it, and nothing of this machine's.
        environment = Path("/proc", process, "environ").read_bytes().rstrip(b"\0").split(b"\0")
        return _Door(
            ("nsenter", "--target", process, "--all", "--root", "--wd=/", "--"),
            {b"HOME": b"/root"} | dict(entry.split(b"=", 1) for entry in environment),
        )

    def _copy(self, command: str, path: str, content: bytes | None = None) -> bytes:
        status, output, errors = self._run(["/bin/sh", "-c", command.format(shlex.quote(path))], content)
        if status != 0:
            raise AnsibleConnectionFailure(f"{path} was not copied: {errors.decode(errors='replace')}")
        return output

    def _run(self, command: list[str], given: bytes | None) -> tuple[int, bytes, bytes]:
        done = subprocess.run(
            [*self._door.command, *command],
            env=self._door.environment,
            input=given or b"",
            capture_output=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr


def _first_process(container: str) -> str:
    asked = subprocess.run(
        ["podman", "inspect", "--type=container", "--format={{.State.Pid}}", container],
        capture_output=True,
        text=True,
        check=False,
    )
    process = asked.stdout.strip()
    if process in ("", "0"):
        raise AnsibleConnectionFailure(f"the container {container} does not run: {asked.stderr.strip()}")
    return process
