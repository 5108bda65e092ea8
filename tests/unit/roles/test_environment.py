# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role's variables, and those that nobody sets, make of the ini."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.percona.pmm_ai_chat.plugins.filter.supervisord_environment_of import (
    supervisord_environment_of,
)

ROLE = Path(__file__).resolve().parents[3] / "roles" / "ai_chat"
VARIABLES = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())


def left_over_model(in_the_ini: str | None, **variables: Any) -> object:
    """What is to become of the model in an ini that was edited."""
    found = {} if in_the_ini is None else {"AICHAT_LLM_MODEL": in_the_ini}
    given = {
        "ai_chat_default_environment": {"AICHAT_LLM_PROVIDER": "openai"},
        "ai_chat_earlier_model": VARIABLES["ai_chat_earlier_model"],
        "ai_chat_found_environment": found,
        **variables,
    }
    template = trust_as_template(VARIABLES["ai_chat_left_over_model"])
    return Templar(DataLoader(), variables=given).template(template)


def test_the_shipped_ini_names_no_model_so_that_every_provider_is_asked_for_its_own() -> None:
    shipped = supervisord_environment_of((ROLE / "files" / "ai-chat.ini").read_text(), VARIABLES["ai_chat_program"])
    assert shipped["AICHAT_LLM_PROVIDER"] == "openai"
    assert "AICHAT_LLM_MODEL" not in shipped


@pytest.mark.parametrize("provider", ["anthropic", "claude", "gemini", "google", "ollama", "mock"])
def test_another_provider_does_not_inherit_the_model_that_was_shipped_once(provider: str) -> None:
    assert left_over_model("gpt-4o-mini", ai_chat_llm_provider=provider) == {"AICHAT_LLM_MODEL": ""}


@pytest.mark.parametrize("variables", [{}, {"ai_chat_llm_provider": "openai"}])
def test_the_shipped_provider_keeps_the_model_that_was_shipped_once(variables: dict[str, str]) -> None:
    assert left_over_model("gpt-4o-mini", **variables) == {}


@pytest.mark.parametrize("model", ["claude-opus-5", None])
def test_a_model_that_the_operator_wrote_stays(model: str | None) -> None:
    assert left_over_model(model, ai_chat_llm_provider="anthropic") == {}


def explicit(ini: str, **variables: Any) -> Any:
    """What the role sets in an ini, with these variables and in place of this one."""
    given = {name: trust_as_template(text) if isinstance(text, str) else text for name, text in VARIABLES.items()}
    given["ai_chat_named_environment"] = {
        name: trust_as_template(text) for name, text in VARIABLES["ai_chat_named_environment"].items()
    }
    given |= {"ai_chat_environment": {}, "ai_chat_ini_file": {"content": base64.b64encode(ini.encode()).decode()}}
    return Templar(DataLoader(), variables=given | variables).template(given["ai_chat_explicit_environment"])


WITH_KEY = """[program:aichat-backend]
environment=
    AICHAT_LLM_PROVIDER="anthropic",
    AICHAT_API_KEY_FILE="/etc/aichat-backend/api-key"
"""


def test_what_nobody_sets_is_not_set() -> None:
    assert explicit("") == {}


def test_the_key_that_an_earlier_play_placed_stays_in_use_when_a_play_names_none() -> None:
    assert explicit(WITH_KEY) == {"AICHAT_API_KEY_FILE": "/etc/aichat-backend/api-key"}


@pytest.mark.parametrize(
    ("key", "file"), [("sk-new", "/etc/aichat-backend/api-key"), ("", "")], ids=["another", "none any more"]
)
def test_a_key_that_a_play_names_counts(key: str, file: str) -> None:
    assert explicit(WITH_KEY, ai_chat_api_key=key) == {"AICHAT_API_KEY_FILE": file}


@pytest.mark.parametrize(
    "ini",
    [
        WITH_KEY.replace("api-key", "api-key.mine"),
        WITH_KEY.replace("    AICHAT_API", ";   AICHAT_API"),
        WITH_KEY.replace("AICHAT_API", "MY_API"),
    ],
    ids=["another file", "a comment", "another name"],
)
def test_what_is_not_the_role_s_key_is_not_the_role_s_to_keep(ini: str) -> None:
    assert explicit(ini) == {}
