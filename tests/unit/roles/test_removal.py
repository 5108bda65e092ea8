# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role takes for its own when it is removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

VARIABLES = yaml.safe_load(
    (Path(__file__).resolve().parents[3] / "roles" / "ai_chat" / "vars" / "main.yml").read_text()
)
FOLDER = "/etc/aichat-backend"


def value(name: str, *entries: str) -> Any:
    variables = {
        **{key: trust_as_template(text) if isinstance(text, str) else text for key, text in VARIABLES.items()},
        "ai_chat_config_entries": {"files": [{"path": f"{FOLDER}/{entry}"} for entry in entries]},
        "ai_chat_link": {"stat": {"exists": False}},
        "ai_chat_removed": {"results": [{"decision": "removed", "item": f"{FOLDER}/config.yaml"}]},
    }
    return Templar(DataLoader(), variables=variables).template(trust_as_template(VARIABLES[name]))


def test_copies_of_earlier_keys_go_and_nothing_else_does() -> None:
    copy = "api-key.4711.2026-11-22@10:00:00~"
    entries = ("api-key", copy, "api-keys.1~", "config.yaml", "notes")
    assert value("ai_chat_earlier_keys", *entries) == [f"{FOLDER}/{copy}"]
    others = {f"{FOLDER}/api-keys.1~", f"{FOLDER}/notes"}
    assert set(value("ai_chat_others_configuration", *entries)) == others
