"""Ansible's connection to a throwaway server: into its namespaces, some fifty times as fast as `podman exec`."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

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

# Asking podman takes longer than all the rest of most tasks.
_KNOWN = Path(__file__).parents[3] / ".cache" / "servers"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class _Process(NamedTuple):
    """A process of this machine; its id alone may be another's by now."""

    pid: str
    started: str
    boot: str


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

    def _copy(self, command: str, path: str, content: bytes | None = None) -> bytes:
        status, output, errors = self._run(["/bin/sh", "-c", command.format(shlex.quote(path))], content)
        if status != 0:
            raise AnsibleConnectionFailure(f"{path} was not copied: {errors.decode(errors='replace')}")
        return output

    def _run(self, command: list[str], given: bytes | None) -> tuple[int, bytes, bytes]:
        done = run_inside(self.get_option("remote_addr"), command, given or b"")
        return done.returncode, done.stdout, done.stderr


def run_inside(container: str, command: Sequence[str], given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a command as root in a container, whatever comes of it.

    Raises:
        AnsibleConnectionFailure: the container does not run.
    """
    if os.geteuid() != 0:
        enter, environment = ["podman", "exec", "--interactive", container], None
    else:
        process = _first_process(container)
        enter = ["nsenter", "--target", process.pid, "--all", "--root", "--wd", "--"]
        # As `podman exec` would give it, and nothing of this machine's.
        given_at_its_start = Path("/proc", process.pid, "environ").read_bytes().rstrip(b"\0").split(b"\0")
        environment = {b"HOME": b"/root"} | dict(entry.split(b"=", 1) for entry in given_at_its_start)
    return subprocess.run([*enter, *command], env=environment, input=given, capture_output=True, check=False)


def _first_process(container: str) -> _Process:
    note = _KNOWN / container
    try:
        known = _Process(*note.read_text().split())
    except (FileNotFoundError, TypeError):
        known = None
    if known is not None and known == _process(known.pid):
        return known
    found = _process(_ask_podman(container))
    if found is None:
        raise AnsibleConnectionFailure(f"the container {container} has just ended")
    _KNOWN.mkdir(parents=True, exist_ok=True)
    # Several tasks may come to this at once.
    mine = note.with_name(f"{container}.{os.getpid()}")
    mine.write_text(" ".join(found))
    mine.replace(note)
    return found


def _process(pid: str) -> _Process | None:
    try:
        # The program's name, in brackets, may hold blanks. What follows it are proc(5)'s fields from the third one on.
        fields = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return _Process(pid, fields[22 - 3], _BOOT.read_text().strip())


def _ask_podman(container: str) -> str:
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
