"""Questions and answers for tests of what is stored."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from aichat_backend.chat.approvals import Approval, BoundCall
from aichat_backend.chat.conversation import ConversationStore, Message, MessageStatus
from aichat_backend.chat.parts import Part, Role, TextPart, ToolCallPart, Usage
from aichat_backend.chat.turns import OpenedTurn, TurnStore


def answer(*parts: Part | str, status: MessageStatus = MessageStatus.COMPLETE, usage: Usage | None = None) -> Message:
    """An assistant's message; a plain string is a text part."""
    return Message(
        id=secrets.token_urlsafe(16),
        role=Role.ASSISTANT,
        parts=tuple(TextPart(part) if isinstance(part, str) else part for part in parts),
        status=status,
        created_at=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        usage=usage,
    )


NEVER = datetime(9999, 1, 1, tzinfo=UTC)


def approval_of_calls(*call_ids: str, expires_at: datetime = NEVER) -> Message:
    """An assistant's message that asks whether calls may run."""
    message = answer("May I?", *(ToolCallPart(call_id, "drop_db", "{}") for call_id in call_ids))
    approval = Approval(
        id=message.id,
        calls=tuple(BoundCall(call_id, f"tool of {call_id}", f"arguments of {call_id}") for call_id in call_ids),
        created_at=message.created_at,
        expires_at=expires_at,
    )
    return replace(message, role=Role.TOOL_APPROVAL, approval=approval)


async def ask(store: TurnStore, user_id: str, session_id: str | None, text: str = "Why?") -> OpenedTurn:
    """Open a turn with a question."""
    return await store.open_turn(user_id, session_id, title=f"About {text}", parts=(TextPart(text),), context={})


async def texts(store: ConversationStore, user_id: str, session_id: str) -> list[str]:
    """What was said in a session, oldest first."""
    return [message.text for message in await all_messages(store, user_id, session_id)]


async def all_messages(store: ConversationStore, user_id: str, session_id: str) -> Sequence[Message]:
    """The messages of a session, oldest first."""
    page = await store.list_messages(user_id, session_id, page=1, limit=1_000_000)
    return page.items
