# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets do not show, everything else does."""

from __future__ import annotations

import pytest
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._masking import is_secret_name, mask


@pytest.mark.parametrize(
    "text",
    [
        'AICHAT_API_KEY="canary",',
        "AICHAT_API_KEY='canary'",
        "OPENAI_API_KEY=canary",
        'api_key: "canary"',
        '"apiKey": "canary"',
        "token = canary",
        'AICHAT_DATABASE_URL="postgresql://u:canary@h/db"',
        "Looking at https://user:canary@index/simple",
        'MCP_AUTHORIZATION="Bearer canary"',
        "Authorization: Bearer canary",
        'GITHUB_TOKEN_2="canary"',
        "PGPASSWORD=canary",
        'API_TOKEN="a canary without an end\n',
        '"headers": {"X-Tenant": "canary", "X-User": "${user_id}", "X-Quote": "\\"canary"}',
        '"env": {\n  "MODE": "canary"\n}',
        'proxy_set_header X-AIChat-Proxy-Secret "canary";',
        '"args": ["--token", "canary", "--port", "3001"]',
        '"args": [\n  "-y",\n  "--github-api-key",\n  "canary \\" and more"\n]',
        '"args": ["--auth", "--token", "canary"]',
        '"args": ["--api-key=canary"]',
        '"args": ["mcp-remote", "https://host/mcp", "--header", "X-Tenant: canary"]',
    ],
)
def test_a_secret_is_hidden(text: str) -> None:
    assert "canary" not in mask(text)


@pytest.mark.parametrize(
    "text",
    [
        'AICHAT_API_KEY_FILE="/etc/key"',
        'AICHAT_PORT="3001"',
        "https://host/a@b",
        'API_KEY=""',
        'AICHAT_LLM_MAX_TOKENS="100"',
        'AICHAT_MAX_TOKENS_PER_DAY="100"',
        "auth_request /aichat_auth_request;",
        "proxy_set_header Authorization $http_authorization;",
        'proxy_set_header Cookie "";',
        '"env": {}, "command": "npx", "keywords": "none"',
        '"args": ["--token-file", "/etc/token", "--api-key-path", "/etc/key"]',
        '"args": ["--auth", "--port", "3001", "token", "stdio"]',
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask(text) == text


def test_names() -> None:
    assert is_secret_name("AICHAT_API_KEY")
    assert is_secret_name("AICHAT_DATABASE_URL")
    assert is_secret_name("GITHUB_TOKEN_2")
    assert is_secret_name("PGPASSWORD")
    assert not is_secret_name("AICHAT_API_KEY_FILE")
    assert not is_secret_name("AICHAT_PORT")
    assert not is_secret_name("AICHAT_LLM_MAX_TOKENS")
