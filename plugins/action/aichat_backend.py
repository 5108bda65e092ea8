# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ship the service from the controller: look at the host first, transfer only what it lacks."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._service_source import (
    SourceProblem,
    digest_of,
    version_of,
    write_archive,
)

MODULE = "percona.pmm_ai_chat.aichat_backend"
# plugins/action/ → the collection, be it a clone or an installed one.
COLLECTION = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class ActionModule(ActionBase):
    """Runs the module once, and a second time with the archive when the host lacks the release."""

    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Do the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        source = os.path.expanduser(arguments.get("source") or os.path.join(COLLECTION, "service"))
        if arguments.get("state", "present") != "present":
            return {**result, **self._on_host(arguments, task_vars)}
        try:
            shipment = {"version": version_of(source), "digest": digest_of(source)}
        except (OSError, SourceProblem) as problem:
            return dict(result, failed=True, msg=f"On the controller: {problem}")
        answer = self._on_host({**arguments, "shipment": shipment}, task_vars)
        if answer.pop("archive_needed", False):
            shipment["archive"] = self._transfer(source)
            answer = self._on_host({**arguments, "shipment": shipment}, task_vars)
        return {**result, **answer}

    def _on_host(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        answer: dict[str, Any] = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        return answer

    def _transfer(self, source: str) -> str:
        """Put the archive into the task's folder on the host, which goes away with the task."""
        if self._connection._shell.tmpdir is None:
            self._make_tmp_path()
        folder = self._connection._shell.tmpdir
        remote: str = self._connection._shell.join_path(folder, "service.tar.gz")
        with tempfile.NamedTemporaryFile(suffix=".tar.gz") as archive:
            write_archive(source, archive)
            archive.flush()
            self._transfer_file(archive.name, remote)
        self._fixup_perms2((folder, remote))
        return remote
