# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which model the role's variables leave in the ini."""

from __future__ import annotations

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
