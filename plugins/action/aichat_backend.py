# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ship the service from the controller: look at the host first, transfer only what it lacks."""

from __future__ import annotations

import os
import tempfile

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

    def run(self, tmp=None, task_vars=None):
        """Do the task."""
        result = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        source = os.path.expanduser(arguments.get("source") or os.path.join(COLLECTION, "service"))
        shipment = None
        if arguments.get("state", "present") == "present":
            try:
                shipment = {"version": version_of(source), "digest": digest_of(source)}
            except (OSError, SourceProblem) as problem:
                return dict(result, failed=True, msg=f"On the controller: {problem}")
        answer = self._on_host(arguments, shipment, task_vars)
        if answer.pop("archive_needed", False):
            answer = self._on_host(arguments, dict(shipment, archive=self._transfer(source)), task_vars)
        result.update(answer)
        return result

    def _on_host(self, arguments, shipment, task_vars):
        return self._execute_module(
            module_name=MODULE, module_args=dict(arguments, shipment=shipment), task_vars=task_vars
        )

    def _transfer(self, source):
        """Put the archive into the task's folder on the host, which goes away with the task."""
        if self._connection._shell.tmpdir is None:
            self._make_tmp_path()
        folder = self._connection._shell.tmpdir
        remote = self._connection._shell.join_path(folder, "service.tar.gz")
        with tempfile.NamedTemporaryFile(suffix=".tar.gz") as archive:
            write_archive(source, archive)
            archive.flush()
            self._transfer_file(archive.name, remote)
        self._fixup_perms2((folder, remote))
        return remote
