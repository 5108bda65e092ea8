"""A place for files with little room in it."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

KIBIBYTE = 1024


class SmallDisk(Protocol):
    """A folder on a disk that a test fills and frees."""

    @property
    def folder(self) -> Path: ...

    @property
    def remedy(self) -> str:
        """What an operator is told to see to."""

    def fill(self, pid: int) -> None: ...

    def free(self, pid: int) -> None: ...


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """A disk of its own where we may mount one; else a process whose files may not grow."""
    if os.geteuid() != 0:
        yield LimitedFiles(folder)
        return
    folder = folder / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={800 * KIBIBYTE}", "tmpfs", folder], check=True)
    try:
        yield _Mounted(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


class _Mounted:
    remedy = "Make room on"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self, pid: int) -> None:  # noqa: ARG002
        with self._filler.open("wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(b"\0" * 4 * KIBIBYTE)
            except OSError:
                return

    def free(self, pid: int) -> None:  # noqa: ARG002
        self._filler.unlink()


class LimitedFiles:
    """A folder in which a process cannot make files grow, although there is room."""

    remedy = "RLIMIT_FSIZE"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, pid: int) -> None:
        _most, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (KIBIBYTE, hard))

    def free(self, pid: int) -> None:
        _most, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
