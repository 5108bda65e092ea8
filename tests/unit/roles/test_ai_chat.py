# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role's argument specification, its defaults and the service say the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

COLLECTION = Path(__file__).resolve().parents[3]
ROLE = COLLECTION / "roles" / "ai_chat"


def options() -> dict[str, dict[str, Any]]:
    specs = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())
    return specs["argument_specs"]["main"]["options"]


def test_defaults_are_those_of_the_specification() -> None:
    specified = {name: option["default"] for name, option in options().items() if "default" in option}
    assert yaml.safe_load((ROLE / "defaults" / "main.yml").read_text()) == specified


def test_every_variable_is_described_and_documented() -> None:
    readme = (ROLE / "README.md").read_text()
    for name, option in options().items():
        assert option["description"], name
        assert f"`{name}`" in readme, name


def test_secrets_are_not_logged() -> None:
    hidden = [name for name, option in options().items() if option.get("no_log")]
    assert hidden == ["ai_chat_api_key", "ai_chat_proxy_secret", "ai_chat_database_url", "ai_chat_index_url"]


def test_every_variable_is_used() -> None:
    parts = [path for folder in ("tasks", "vars", "handlers", "templates") for path in (ROLE / folder).iterdir()]
    text = "\n".join(path.read_text() for path in parts)
    assert [name for name in options() if not re.search(rf"\b{name}\b", text)] == []


def test_the_providers_are_those_of_the_service() -> None:
    providers = (COLLECTION / "service/src/aichat_backend/config/providers.py").read_text()
    enumeration = providers.partition("class ProviderName(StrEnum):")[2].partition("\n\n\n")[0]
    aliases = providers.partition("PROVIDER_ALIASES:")[2].partition("}")[0]
    names = re.findall(r'= "(\w+)"', enumeration) + re.findall(r'"(\w+)":', aliases)
    assert len(names) == 7
    assert sorted(options()["ai_chat_llm_provider"]["choices"]) == sorted(names)


def test_the_play_is_the_literal_one() -> None:
    play = yaml.safe_load((COLLECTION / "playbooks" / "deploy_ai_chat.yml").read_text())
    assert play == [{"hosts": "pmm-servers", "roles": [{"role": "ai-chat"}]}]


def test_ansible_is_supported_from_the_version_on_with_which_it_is_tried() -> None:
    supported = yaml.safe_load((COLLECTION / "meta" / "runtime.yml").read_text())["requires_ansible"]
    (tried,) = re.findall(r'"ansible-core>=([0-9.]+),', (COLLECTION / "pyproject.toml").read_text())
    assert supported == f">={tried}.0"
    assert f"ansible-core {tried} or" in (COLLECTION / "README.md").read_text()
