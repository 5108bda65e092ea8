# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a program as the user that will run it later, to learn what that user would meet."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Identity:
    """A user with all groups."""

    uid: int
    gid: int
    groups: tuple[int, ...]


def identity_of(user: int) -> Identity:
    """The identity behind a user's number."""
    entry = pwd.getpwuid(user)
    return Identity(user, entry.pw_gid, tuple(os.getgrouplist(entry.pw_name, entry.pw_gid)))


def run_as(
    identity: Identity | None, command: list[str], timeout: float, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run to the end and return what was said; only root can become somebody else, others stay who they are."""
    other = identity if os.geteuid() == 0 else None
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=timeout,
        cwd="/",
        env=environment,
        user=other.uid if other else None,
        group=other.gid if other else None,
        extra_groups=other.groups if other else None,
    )
