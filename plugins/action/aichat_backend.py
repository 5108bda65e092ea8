# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ship the service from the controller: look at the host first, transfer only what it lacks."""

from __future__ import annotations

import os
import tempfile
from dataclasses import asdict
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._service_source import (
    SourceProblem,
    digest_of,
    version_of,
    write_archive,
)
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._wheelhouse import (
    WheelhouseProblem,
    lock_digest,
    read_manifest,
)

MODULE = "percona.pmm_ai_chat.aichat_backend"
# plugins/action/ → the collection, be it a clone or an installed one.
COLLECTION = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def needs_of(wheelhouse: str, source: str) -> dict[str, Any]:
    """What the hosts must have for this wheelhouse, which must have been made for this service."""
    manifest, lock = read_manifest(wheelhouse), lock_digest(source)
    if manifest.lock != lock:
        raise WheelhouseProblem(
            f"The wheelhouse {wheelhouse} holds the packages of aichat-backend {manifest.version} (lock "
            f"{manifest.lock[:12]}), and version {version_of(source)} is to be installed (lock {lock[:12]}). "
            + manifest.platform.how_to_make
        )
    return asdict(manifest.platform)


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
            shipment: dict[str, Any] = {"version": version_of(source), "digest": digest_of(source)}
            if arguments.get("wheelhouse"):
                arguments["wheelhouse"] = os.path.abspath(os.path.expanduser(arguments["wheelhouse"]))
                shipment["wheels"] = needs_of(arguments["wheelhouse"], source)
        except (OSError, SourceProblem, WheelhouseProblem) as problem:
            return dict(result, failed=True, msg=f"On the controller: {problem}")
        answer = self._on_host({**arguments, "shipment": shipment}, task_vars)
        if answer.pop("archive_needed", False):
            with tempfile.NamedTemporaryFile(suffix=".tar.gz") as archive:
                write_archive(source, archive)
                archive.flush()
                shipment["archive"] = self._transfer(archive.name, "service.tar.gz")
            if "wheels" in shipment:
                shipment["wheels"]["archive"] = self._transfer(arguments["wheelhouse"], "wheelhouse.tar")
            answer = self._on_host({**arguments, "shipment": shipment}, task_vars)
        return {**result, **answer}

    def _on_host(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        answer: dict[str, Any] = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        return answer

    def _transfer(self, path: str, name: str) -> str:
        """Put a file into the task's folder on the host, which goes away with the task."""
        if self._connection._shell.tmpdir is None:
            self._make_tmp_path()
        folder = self._connection._shell.tmpdir
        remote: str = self._connection._shell.join_path(folder, name)
        self._transfer_file(path, remote)
        self._fixup_perms2((folder, remote))
        return remote
