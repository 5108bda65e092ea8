# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ship an archive with a part of the MCP runtime: look at the host first, then at the archive, transfer it last."""

from __future__ import annotations

import os
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._mcp_archive import (
    ArchiveProblem,
    digest_of,
    examine,
)
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._mcp_parts import PARTS

MODULE = "percona.pmm_ai_chat.mcp_runtime"


def checked_digest(archive: str, wanted: str | None) -> str:
    """The archive's digest, which must be the one that is wanted, if any is."""
    try:
        found = digest_of(archive)
    except (FileNotFoundError, IsADirectoryError):
        raise ArchiveProblem(f"There is no archive {archive}.") from None
    if wanted and wanted.lower() != found:
        raise ArchiveProblem(f"{archive} has the SHA-256 digest {found}, and {wanted} was expected: it is not used.")
    return found


def check_fit(archive: str, part: str, host: dict[str, Any]) -> None:
    """Refuse an archive that is damaged, of another kind, or not for this host."""
    contents = examine(archive, PARTS[part])
    if contents.machine != host["machine"]:
        raise ArchiveProblem(
            f"{archive} is for {contents.machine}, and this host is {host['machine']}: fetch the one for that."
        )
    if contents.size > host["room"]:
        needed, free = contents.size >> 20, host["room"] >> 20
        raise ArchiveProblem(
            f"{archive} needs {needed} MiB on the host, and {free} are free: make room, or choose another folder."
        )


class ActionModule(ActionBase):
    """Runs the module once, and a second time with the archive when the host lacks its content."""

    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Do the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if (
            arguments.get("state", "present") != "present"
            or not arguments.get("archive")
            or arguments.get("part") not in PARTS
        ):
            return {**result, **self._on_host(arguments, task_vars)}
        archive = arguments["archive"] = os.path.abspath(os.path.expanduser(arguments["archive"]))
        try:
            shipment = {"digest": checked_digest(archive, arguments.get("sha256"))}
            answer = self._on_host({**arguments, "shipment": shipment}, task_vars)
            host = answer.pop("archive_wanted", None)
            if host is not None:
                check_fit(archive, arguments["part"], host)
        except (ArchiveProblem, OSError) as problem:
            return {**result, "failed": True, "msg": f"On the controller: {problem}"}
        if host is not None and not self._task.check_mode:
            shipment["archive"] = self._transfer(archive)
            answer = self._on_host({**arguments, "shipment": shipment}, task_vars)
        return {**result, **answer}

    def _on_host(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        answer: dict[str, Any] = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        return answer

    def _transfer(self, path: str) -> str:
        """Put the archive into the task's folder on the host, which goes away with the task."""
        if self._connection._shell.tmpdir is None:
            self._make_tmp_path()
        folder = self._connection._shell.tmpdir
        remote: str = self._connection._shell.join_path(folder, "archive")
        self._transfer_file(path, remote)
        self._fixup_perms2((folder, remote))
        return remote
