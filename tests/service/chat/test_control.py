"""Which chat messages are decisions about tools."""

from __future__ import annotations

import pytest

from aichat_backend.chat.control import is_control_message


@pytest.mark.parametrize(
    "text",
    ["[APPROVE_TOOLS:a]", "[DENY_TOOLS:historical_a]", " \n[APPROVE_TOOLS:a:call_1,call_2]\t", "[APPROVE_TOOLS:]"],
)
def test_a_whole_message_that_decides_is_one(text: str) -> None:
    assert is_control_message(text)


@pytest.mark.parametrize(
    "text", ["", "APPROVE_TOOLS:a", "[APPROVE_TOOLS]", "[APPROVE_TOOLS:a] ok", "ok [DENY_TOOLS:a]", "[Approve_Tools:a]"]
)
def test_a_message_that_says_anything_else_is_not(text: str) -> None:
    assert not is_control_message(text)
