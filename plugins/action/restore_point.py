# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Say whose a restore point is, and refuse that of another run which goes on."""

from __future__ import annotations

import multiprocessing
import os
import socket
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._process import beginning

MODULE = "percona.pmm_ai_chat.restore_point"
HOLDS_FOR = 1800
"""Seconds for which a run of another controller, of which nothing else can be known, counts as one that goes on."""


def owner_of(host: str) -> dict[str, Any]:
    """Our own run: the process that Ansible was started as, of which we may be a worker."""
    process = getattr(multiprocessing.parent_process(), "pid", None) or os.getpid()
    return {"controller": socket.gethostname(), "process": process, "began": beginning(process), "host": host}


def refusal(owner: dict[str, Any], us: dict[str, Any], held: dict[str, Any]) -> str | None:
    """Why we cannot go on with another run's restore point; None when that run has ended."""
    if owner["controller"] == us["controller"]:
        began = beginning(owner["process"])
        if began is None or began != owner["began"]:
            return None
        return (
            f"Another play is at work on this host since {held['held_since']} (the host's clock), as {owner['host']}: "
            f"process {owner['process']} of this controller. Wait for it, or end it, and run this one again."
        )
    if held["held_for"] >= HOLDS_FOR:
        return None
    return (
        f"A play of the controller {owner['controller']} began its work here at {held['held_since']} (the host's clock)"
        " and may still be at it. Wait for it. If it was killed, run this one again with ai_chat_take_over set to true "
        f"(of the module: take_over), or {HOLDS_FOR // 60} minutes after it had begun."
    )


class ActionModule(ActionBase):
    """Runs the module, and a second time when the restore point is of a run that has ended."""

    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Do the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        us = owner_of((task_vars or {}).get("inventory_hostname", ""))
        arguments = {**self._task.args, "owner": us}
        answer = self._on_host(arguments, task_vars)
        if "held_by" in answer:
            owner = answer["held_by"]
            refused = None if owner is None else refusal(owner, us, answer)
            if refused is not None:
                return {**result, "failed": True, "msg": refused}
            answer = self._on_host({**arguments, "take_over": True}, task_vars)
        return {**result, **answer}

    def _on_host(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        answer: dict[str, Any] = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        return answer
