# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values that the argument specification lets through and the role refuses before it touches the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = Path(__file__).resolve().parents[3] / "roles" / "ai_chat"
DEFAULTS = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
CHECKS = [task["ansible.builtin.assert"] for task in yaml.safe_load((ROLE / "tasks" / "variables.yml").read_text())]


def refusals(**variables: Any) -> list[str]:
    """What the role says about these variables."""
    templar = Templar(DataLoader(), variables={**DEFAULTS, "ai_chat_named_environment": {}, **variables})
    said = []
    for check in CHECKS:
        conditions = check["that"] if isinstance(check["that"], list) else [check["that"]]
        if not all(templar.evaluate_conditional(trust_as_template(condition)) for condition in conditions):
            said.append(check["fail_msg"])
    return said


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"ai_chat_port": 65535, "ai_chat_keep_releases": 2, "ai_chat_health_timeout": 1},
        {"ai_chat_llm_base_url": ""},
        {"ai_chat_llm_base_url": "https://models.example:8443/v1?version=2"},
        {"ai_chat_api_key": ""},
        {"ai_chat_api_key": "sk-0_aZ~!"},
        {"ai_chat_database_url": ""},
        {"ai_chat_database_url": "postgresql://aichat:100%25@db.example/aichat?sslmode=require"},
        {"ai_chat_database_url": "sqlite:////srv/aichat-backend/chat.db"},
        {"ai_chat_proxy_secret": ""},
        {"ai_chat_proxy_secret": "aZ09._~+/=-"},
        {"ai_chat_launcher_path": "/usr/local/bin/aichat-backend"},
        {"ai_chat_environment": {"AICHAT_LLM_TEMPERATURE": 0.2}},
        {"ai_chat_environment": {"AICHAT_HOST": "0.0.0.0"}},
        {"ai_chat_environment": {"AICHAT_HOST": "localhost"}},
        {"ai_chat_environment": {"AICHAT_HOST": ""}},
        {"ai_chat_wheelhouse": "wheelhouses/one.tar", "ai_chat_index_url": ""},
        {"ai_chat_index_url": "https://user:password@mirror.example/simple"},
    ],
)
def test_good_values_pass(variables: dict[str, Any]) -> None:
    assert refusals(**variables) == []


@pytest.mark.parametrize(
    "variables",
    [
        {"ai_chat_port": 0},
        {"ai_chat_environment": {"AICHAT_HOST": "10.0.0.7"}},
        {"ai_chat_environment": {"AICHAT_HOST": "::1"}},
        {"ai_chat_port": 65536},
        {"ai_chat_keep_releases": 1},
        {"ai_chat_health_timeout": 0},
        {"ai_chat_llm_base_url": "ftp://models.example"},
        {"ai_chat_llm_base_url": "https:///v1"},
        {"ai_chat_llm_base_url": "https://models.example/a b"},
        {"ai_chat_llm_base_url": "https://models.example/\nv1"},
        {"ai_chat_api_key": "two words"},
        {"ai_chat_api_key": "two\nlines"},
        {"ai_chat_api_key": ["sk-in-a-list"]},
        {"ai_chat_api_key": {"key": "sk"}},
        {"ai_chat_api_key": None},
        {"ai_chat_database_url": "mysql://db/aichat"},
        {"ai_chat_database_url": "postgresql://db/ai chat"},
        {"ai_chat_proxy_secret": 'a"b'},
        {"ai_chat_proxy_secret": "a$b"},
        {"ai_chat_proxy_secret": "two words"},
        {"ai_chat_proxy_secret": "100%"},
        {"ai_chat_proxy_secret": 42},
        {"ai_chat_install_root": "opt"},
        {"ai_chat_install_root": "/"},
        {"ai_chat_install_root": "/opt/ai chat"},
        {"ai_chat_launcher_path": "aichat-backend"},
        {"ai_chat_launcher_path": "/usr/sbin/aichat-backend/"},
        {"ai_chat_launcher_path": "/usr/sbin/aichat;backend"},
        {"ai_chat_launcher_path": "/usr/sbin/100%"},
        {"ai_chat_nginx_ports": []},
        {"ai_chat_nginx_conf": "pmm.conf"},
        {"ai_chat_nginx_locations": "/etc/nginx/a chat.conf"},
        {"ai_chat_environment": {"AICHAT_API_KEY": "sk"}},
        {"ai_chat_index_url": "mirror.example/simple"},
        {"ai_chat_wheelhouse": "one.tar", "ai_chat_index_url": "https://mirror.example/simple"},
    ],
)
def test_wrong_values_are_refused_by_name(variables: dict[str, Any]) -> None:
    said = refusals(**variables)
    assert len(said) == 1
    assert all(name in said[0] for name in variables)
