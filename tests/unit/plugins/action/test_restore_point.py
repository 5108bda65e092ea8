# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action plugin: whose a restore point is, and whether its run goes on."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.percona.pmm_ai_chat.plugins.action import restore_point

HELD = {"changed": False, "held_since": "2026-11-23 10:00:00", "held_for": 60}


class Remote:
    """What the module is asked, and what it answers."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    def execute(self, module_name: str, module_args: dict[str, Any], task_vars: object) -> dict[str, Any]:
        assert module_name == "percona.pmm_ai_chat.restore_point"
        self.asked.append(module_args)
        return self.answers.pop(0)


@pytest.fixture
def act(monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(remote: Remote, **arguments: Any) -> dict[str, Any]:
        action = restore_point.ActionModule.__new__(restore_point.ActionModule)
        action._task = SimpleNamespace(args=arguments)
        monkeypatch.setattr(ActionBase, "run", lambda self, tmp, task_vars: {})
        monkeypatch.setattr(action, "_execute_module", remote.execute)
        return action.run(task_vars={"inventory_hostname": "pmm"})

    return run


def ended() -> dict[str, Any]:
    """The owner that a run was which has ended."""
    us = restore_point.owner_of("pmm")
    with subprocess.Popen(["true"]) as process:
        return {**us, "process": process.pid}


def test_the_owner_is_the_run_whatever_worker_does_the_task(act: Any) -> None:
    remote = Remote({"changed": True})
    assert act(remote, state="absent", owner="ignored") == {"changed": True}
    assert remote.asked == [{"state": "absent", "owner": restore_point.owner_of("pmm")}]
    assert remote.asked[0]["owner"]["process"] == os.getpid()
    with multiprocessing.get_context("fork").Pool(1) as workers:
        assert workers.apply(restore_point.owner_of, ("pmm",)) == restore_point.owner_of("pmm")


def test_a_run_that_has_ended_is_followed_at_once(act: Any) -> None:
    """Right after Ctrl-C, say."""
    remote = Remote({**HELD, "held_by": ended()}, {"changed": False, "unfinished": True})
    assert act(remote)["unfinished"] is True
    assert [asked.get("take_over", False) for asked in remote.asked] == [False, True]


def test_a_process_that_only_has_the_number_of_the_run_is_not_the_run(act: Any) -> None:
    owner = {**restore_point.owner_of("pmm"), "process": 1, "began": "another time"}
    assert act(Remote({**HELD, "held_by": owner}, {"unfinished": True}))["unfinished"] is True


def test_a_run_that_had_ended_before_its_worker_did_is_followed(act: Any) -> None:
    """The worker of a play that was killed can no longer see when that began."""
    owner = {**ended(), "began": None}
    assert act(Remote({**HELD, "held_by": owner}, {"unfinished": True}))["unfinished"] is True


def test_a_run_that_goes_on_is_not_disturbed(act: Any) -> None:
    parent = os.getppid()
    owner = {**restore_point.owner_of("pmm"), "process": parent, "began": restore_point.beginning(parent)}
    answer = act(Remote({**HELD, "held_by": owner, "held_for": 10**6}))
    assert answer["failed"] is True
    assert f"since 2026-11-23 10:00:00 (the host's clock), as pmm: process {parent} of this controller" in answer["msg"]


def test_the_same_host_under_another_name_is_refused(act: Any) -> None:
    answer = act(Remote({**HELD, "held_by": restore_point.owner_of("the-other-name")}))
    assert "as the-other-name: process" in answer["msg"]


def test_a_run_of_another_controller_counts_as_one_that_goes_on_for_half_an_hour(act: Any) -> None:
    owner = {**ended(), "controller": "elsewhere"}
    answer = act(Remote({**HELD, "held_by": owner}))
    assert "A play of the controller elsewhere" in answer["msg"]
    assert "ai_chat_take_over" in answer["msg"]
    assert act(Remote({**HELD, "held_by": owner, "held_for": 1800}, {"unfinished": True}))["unfinished"] is True


def test_one_that_has_no_owner_is_followed(act: Any) -> None:
    assert act(Remote({**HELD, "held_by": None}, {"unfinished": True}))["unfinished"] is True
