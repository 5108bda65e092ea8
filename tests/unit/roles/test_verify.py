# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which answers on the port count as the health of the service that was deployed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROOT = Path(__file__).resolve().parents[3]


def read(file: str) -> Any:
    """What a YAML file of the collection holds."""
    return yaml.safe_load((ROOT / file).read_text())


TASKS = read("roles/ai_chat/tasks/verify.yml")[0]["block"]
ASK = next(task for task in TASKS if task["name"] == "Ask for its health")
ROLL_OUT = read("playbooks/roll_out_ai_chat.yml")[0]["post_tasks"]
WAITING = [task for task in (*TASKS, *read("roles/ai_chat/tasks/answers_again.yml"), *ROLL_OUT) if "until" in task]
"""Every task that waits for the service."""


@pytest.mark.parametrize(
    ("answer", "healthy"),
    [
        ({"status": 200, "json": {"status": "ok", "version": "1.2.3"}}, True),
        ({"status": 200, "json": {"status": "degraded", "version": "1.2.3"}}, True),
        ({"status": 200, "json": {"status": "ok", "version": "1.2.2"}}, False),
        ({"status": 200, "json": {"status": "ok"}}, False),
        ({"status": 200, "json": ["ok"]}, False),
        ({"status": 200, "content": "another program"}, False),
        ({"status": 503, "json": {"status": "stopping", "version": "1.2.3"}}, False),
        ({"status": -1}, False),
    ],
)
def test_only_the_deployed_release_counts(answer: dict[str, Any], healthy: bool) -> None:
    variables = {"ai_chat_health": answer, "ai_chat_install": {"version": "1.2.3"}}
    assert holds(ASK["failed_when"], variables) is not healthy


@pytest.mark.parametrize("task", WAITING, ids=lambda task: task["name"])
@pytest.mark.parametrize(("ahead", "over"), [(3600, False), (-1, True)])
def test_waiting_ends_in_time_however_long_each_question_takes(task: dict[str, Any], ahead: float, over: bool) -> None:
    """A service that takes connections and never answers takes five seconds each time."""
    failed = {"failed": True, "status": -1, "stdout": "aichat-backend STARTING"}
    by = datetime.now(tz=UTC).timestamp() + ahead
    variables = dict.fromkeys(("ai_chat_healthy_by", "rollout_ready_by"), by) | {task["register"]: failed}
    assert holds(task["until"], variables) is over


def holds(condition: str, variables: dict[str, Any]) -> bool:
    return Templar(DataLoader(), variables=variables).evaluate_conditional(trust_as_template(condition))
