"""Stored messages for tests, in few words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from aichat_backend.chat.approvals import Approval, ApprovalStatus, BoundCall, digest
from aichat_backend.chat.audit import ToolStart
from aichat_backend.chat.conversation import Message, MessageStatus
from aichat_backend.chat.parts import AttachmentPart, Part, ReasoningPart, Role, TextPart, ToolCallPart, ToolResultPart

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def parts(*said: Part | str) -> tuple[Part, ...]:
    """Parts; a plain string is text."""
    return tuple(TextPart(part) if isinstance(part, str) else part for part in said)


def call(id_: str, name: str = "query", arguments: str = "{}") -> ToolCallPart:
    """A tool call."""
    return ToolCallPart(id_, name, arguments)


def start(call_id: str = "c", user_id: str = "1") -> ToolStart:
    """A call that begins."""
    return ToolStart(
        user_id=user_id,
        session_id="s",
        call_id=call_id,
        tool="files/read",
        policy="auto",
        tool_digest="t",
        arguments_digest="a",
    )


def result(
    id_: str, text: str = "42", name: str = "query", *, ran: bool = True, is_error: bool = False
) -> ToolResultPart:
    """What came of a call."""
    return ToolResultPart(id_, name, text, is_error, started_at=NOW if ran else None, ended_at=NOW if ran else None)


def file(name: str = "a.txt", mime_type: str = "text/plain", size: int = 10) -> AttachmentPart:
    """A file that was sent."""
    return AttachmentPart(f"id-{name}", name, mime_type, size, f"sha-{name}")


def user(*said: Part | str, context: dict[str, str] | None = None) -> Message:
    """A user's message."""
    return Message(
        id="u", role=Role.USER, parts=parts(*said), status=MessageStatus.COMPLETE, created_at=NOW, context=context or {}
    )


def assistant(*said: Part | str, status: MessageStatus = MessageStatus.COMPLETE) -> Message:
    """An answer."""
    return Message(id="a", role=Role.ASSISTANT, parts=parts(*said), status=status, created_at=NOW)


def approval(
    *said: Part | str, status: ApprovalStatus = ApprovalStatus.PENDING, approved_ids: tuple[str, ...] = ()
) -> Message:
    """A message that asks for approval of its calls."""
    calls = tuple(BoundCall(part.id, "d", digest(part.arguments)) for part in said if isinstance(part, ToolCallPart))
    return Message(
        id="r",
        role=Role.TOOL_APPROVAL,
        parts=parts(*said),
        status=MessageStatus.COMPLETE,
        created_at=NOW,
        approval=Approval(
            id="r",
            calls=calls,
            status=status,
            approved_ids=approved_ids,
            created_at=NOW,
            expires_at=NOW + timedelta(hours=1),
        ),
    )


def thought(text: str = "hm") -> ReasoningPart:
    """A thought that only people can read."""
    return ReasoningPart(text)
