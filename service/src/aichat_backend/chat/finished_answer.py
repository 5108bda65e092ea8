"""The message that a run leaves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from aichat_backend.chat.approvals import Approval
from aichat_backend.chat.calls import WaitingCall
from aichat_backend.chat.conversation import Message, MessageStatus, random_id
from aichat_backend.chat.draft import Draft, unanswered_calls
from aichat_backend.chat.executions import NOT_RUN
from aichat_backend.chat.parts import Role, ToolResultPart


def finished_answer(
    draft: Draft, status: MessageStatus, waiting: Sequence[WaitingCall], *, model: str, approval_lifetime: timedelta
) -> Message:
    """What has come of a draft, with the approval that its waiting calls need; every other call has a result."""
    if not waiting:
        for call in unanswered_calls(draft.parts()):
            draft.append(ToolResultPart(call.id, call.name, NOT_RUN, is_error=True))
    id_, now = random_id(), datetime.now(UTC)
    return Message(
        id=id_,
        role=Role.TOOL_APPROVAL if waiting else Role.ASSISTANT,
        parts=draft.parts(),
        status=status,
        created_at=now,
        usage=draft.usage and draft.usage.exact,
        model=model,
        approval=Approval(
            id=id_,
            calls=tuple(call.bound() for call in waiting),
            created_at=now,
            expires_at=now + approval_lifetime,
        )
        if waiting
        else None,
    )
