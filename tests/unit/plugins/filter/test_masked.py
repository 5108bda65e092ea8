# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter that hides secrets."""

from __future__ import annotations

from ansible_collections.percona.pmm_ai_chat.plugins.filter.masked import FilterModule

masked = FilterModule().filters()["masked"]


def test_known_secrets_are_hidden_wherever_they_stand() -> None:
    given = {"AICHAT_API_KEY": "canary", "OTHER_TOKEN": "canary-and-more", "AICHAT_PORT": "3001", "EMPTY_KEY": ""}
    assert masked("port 3001: canary, canary-and-more", given) == "port 3001: ********, ********"


def test_what_looks_like_a_secret_is_hidden() -> None:
    assert masked("API_KEY=canary postgresql://u:canary@h/d") == "API_KEY=******** postgresql://********@h/d"
