# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lock that is a file: one run at a time in a folder, and nothing left behind that could hold the next one up."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator


class Busy(Exception):
    """Another run did not let go of the lock in time."""


@contextlib.contextmanager
def held(path: str, folder: str, patience: float) -> Iterator[None]:
    """Hold the lock, a file in or beside the folder, which is made; waits for another run, but not for ever.

    Raises:
        Busy: another run has held it for all of that time.
    """
    descriptor = _acquire(path, folder, patience)
    try:
        yield
    finally:
        os.close(descriptor)


def _acquire(path: str, folder: str, patience: float) -> int:
    deadline = time.monotonic() + patience
    while True:
        os.makedirs(folder, mode=0o755, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_the_lock(descriptor, path):
                return descriptor
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise Busy(
                    "Another deployment has held %s for more than %d s: wait for it or end it." % (path, patience)
                ) from None
            time.sleep(0.2)
        os.close(descriptor)


def _is_the_lock(descriptor: int, path: str) -> bool:
    """A removal may have deleted the file between opening and locking it."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
