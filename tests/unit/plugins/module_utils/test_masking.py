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
    ],
)
def test_a_secret_is_hidden(text: str) -> None:
    assert "canary" not in mask(text)


@pytest.mark.parametrize(
    "text", ['AICHAT_API_KEY_FILE="/etc/key"', 'AICHAT_PORT="3001"', "https://host/a@b", 'API_KEY=""']
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask(text) == text


def test_names() -> None:
    assert is_secret_name("AICHAT_API_KEY")
    assert is_secret_name("AICHAT_DATABASE_URL")
    assert not is_secret_name("AICHAT_API_KEY_FILE")
    assert not is_secret_name("AICHAT_PORT")
