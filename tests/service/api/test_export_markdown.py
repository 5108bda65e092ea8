"""Conversations as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from aichat_backend.api.export_markdown import SEPARATOR, messages_as_markdown, opening
from aichat_backend.chat.conversation import Message, MessageStatus, Session
from aichat_backend.chat.parts import AttachmentPart, Part, ReasoningPart, Role, TextPart, ToolCallPart, ToolResultPart

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SESSION = Session("s", "1", "Slow\nqueries", NOW, NOW)
FILE = AttachmentPart("f", "a`b.csv", "text/csv", 5, "0" * 64)


def message(*parts: Part, role: Role = Role.ASSISTANT, status: MessageStatus = MessageStatus.COMPLETE) -> Message:
    return Message(id="m", role=role, parts=parts, status=status, created_at=NOW)


def markdown_of(session: Session, messages: Sequence[Message], now: datetime) -> str:
    return opening(session, now) + SEPARATOR + messages_as_markdown(messages) + "\n"


def test_a_conversation_reads_from_top_to_bottom() -> None:
    asked = message(TextPart("Why?"), FILE, role=Role.USER)
    answered = message(
        ReasoningPart("Hm.\n\nOh."),
        ToolCallPart("a", "query", '{"b":1}'),
        ToolResultPart("a", "query", "1 ``` row", files=(FILE,)),
        ToolResultPart("b", "drop", "no", is_error=True),
        TextPart("So."),
        status=MessageStatus.STOPPED,
    )

    assert markdown_of(SESSION, [asked, answered], NOW) == (
        "# Slow queries\n\nExported 2026-01-02 03:04:05 UTC\n\n"
        "## You, 2026-01-02 03:04:05 UTC\n\nWhy?\n\nAttached: `` a`b.csv `` (text/csv, 5 bytes)\n\n"
        "## Assistant, 2026-01-02 03:04:05 UTC\n\n"
        "**Reasoning**\n\n> Hm.\n>\n> Oh.\n\n"
        '**Tool call** `query`\n\n```json\n{\n  "b": 1\n}\n```\n\n'
        "**Result of** `query`\n\n````\n1 ``` row\n````\n\nReturned: `` a`b.csv `` (text/csv, 5 bytes)\n\n"
        "**Failure of** `drop`\n\n```\nno\n```\n\n"
        "So.\n\n*(stopped)*\n"
    )


def test_arguments_that_are_no_json_are_shown_as_they_are() -> None:
    assert "```json\n{cut\n```" in markdown_of(SESSION, [message(ToolCallPart("a", "query", "{cut"))], NOW)


def test_the_page_s_facts_are_listed() -> None:
    asked = Message(
        id="m",
        role=Role.USER,
        parts=(TextPart("Why?"),),
        status=MessageStatus.COMPLETE,
        created_at=NOW,
        context={"dashboard": "MySQL"},
    )

    assert "- `dashboard`: `MySQL`" in markdown_of(SESSION, [asked], NOW)


@given(st.text(st.sampled_from("`~\n#a ")))
def test_no_result_ends_its_own_fence(text: str) -> None:
    exported = markdown_of(SESSION, [message(ToolResultPart("a", "query", text))], NOW)

    opening = exported.split("\n\n", 4)[4].split("\n", 1)[0]
    body = exported.split(f"{opening}\n", 1)[1]
    assert set(opening) == {"`"}
    assert body.removesuffix(f"\n{opening}\n") == text
    assert opening not in text
