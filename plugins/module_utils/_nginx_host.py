# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nginx on the host: as whom it runs, and what it says about its configuration."""

from __future__ import annotations

import os
import subprocess

from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._nginx_config import NginxProblem
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._run_as import identity_of, run_as

_MASTER = b"nginx: master process"


def master_user(proc: str = "/proc") -> int | None:
    """The user of the running nginx, None when it is not running."""
    for pid in sorted((name for name in os.listdir(proc) if name.isdigit()), key=int):
        folder = os.path.join(proc, pid)
        try:
            with open(os.path.join(folder, "cmdline"), "rb") as stream:
                if stream.read().startswith(_MASTER):
                    return os.stat(folder).st_uid
        except (FileNotFoundError, ProcessLookupError):
            continue
    return None


def configuration_errors(executable: str, user: int | None) -> str | None:
    """What nginx -t complains about, None when it is content.

    It runs as the user of the server: run by root, the test would hand nginx's temporary folders to another user.
    """
    try:
        found = run_as(None if user is None else identity_of(user), [executable, "-t"], timeout=60)
    except subprocess.TimeoutExpired:
        raise NginxProblem(f"{executable} -t did not answer within 60 s") from None
    return None if found.returncode == 0 else (found.stderr or found.stdout).strip()
