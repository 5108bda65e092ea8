# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nginx on the host: as whom it runs, and what it says about its configuration."""

from __future__ import annotations

import os
import pwd
import subprocess

from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._nginx_config import NginxProblem

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
    identity: dict[str, object] = {}
    if user is not None and os.geteuid() == 0 and user != 0:
        entry = pwd.getpwuid(user)
        identity = {
            "user": user,
            "group": entry.pw_gid,
            "extra_groups": os.getgrouplist(entry.pw_name, entry.pw_gid),
        }
    try:
        found = subprocess.run(
            [executable, "-t"],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=60,
            cwd="/",
            **identity,
        )
    except subprocess.TimeoutExpired:
        raise NginxProblem(f"{executable} -t did not answer within 60 s") from None
    return None if found.returncode == 0 else (found.stderr or found.stdout).strip()
