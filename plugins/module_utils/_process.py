# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a process began: what tells it from a later one with its number, and what it can have read."""

from __future__ import annotations

import os
import shutil
import subprocess

# The 22nd field of /proc/PID/stat; the second one, the program's name in brackets, may hold anything.
_AFTER_THE_NAME = 19


def beginning(pid: int, proc: str = "/proc") -> str | None:
    """What only this process has, as long as its machine runs; None when there is no such process."""
    if not os.path.exists(os.path.join(proc, "self", "stat")):
        return _beginning_by_ps(pid)
    ticks = _ticks(pid, proc)
    return None if ticks is None else str(ticks)


def began(pid: int, proc: str = "/proc") -> float | None:
    """When it began, in seconds since the epoch, give or take one; None when there is no such process."""
    ticks = _ticks(pid, proc)
    if ticks is None:
        return None
    with open(os.path.join(proc, "stat"), encoding="ascii") as stream:
        (boot,) = (int(line.split()[1]) for line in stream if line.startswith("btime "))
    return boot + ticks / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int, proc: str) -> int | None:
    try:
        with open(os.path.join(proc, str(pid), "stat"), encoding="utf-8", errors="replace") as stream:
            return int(stream.read().rpartition(")")[2].split()[_AFTER_THE_NAME])
    except (FileNotFoundError, ProcessLookupError):
        return None


def _beginning_by_ps(pid: int) -> str | None:
    """On a controller without /proc, such as macOS."""
    asked = subprocess.run(
        [shutil.which("ps") or "/bin/ps", "-p", str(pid), "-o", "lstart="],
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip() or None
