# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which answers on the port count as the health of the service that was deployed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = Path(__file__).resolve().parents[3] / "roles" / "ai_chat"
TASKS = yaml.safe_load((ROLE / "tasks" / "verify.yml").read_text())[0]["block"]
ASK = next(task for task in TASKS if task["name"] == "Ask for its health")


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
    templar = Templar(DataLoader(), variables=variables)
    assert templar.evaluate_conditional(trust_as_template(ASK["until"])) is healthy
