"""Conversations in the words of the wire contract."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from aichat_backend.chat.approvals import Approval, ApprovalStatus
from aichat_backend.chat.conversation import Message, MessageStatus, Page, Session
from aichat_backend.chat.draft import unanswered_calls
from aichat_backend.chat.parts import AttachmentPart, Role, ToolCallPart, Usage
from aichat_backend.chat.search import FoundSession, Match, MatchField
from aichat_backend.chat.tool_events import approval_question, past_executions, tool_calls
from aichat_backend.streams.messages import ToolCall, ToolExecution

_HOW_IT_ENDED = {
    MessageStatus.COMPLETE: "",
    MessageStatus.STOPPED: "[stopped]",
    MessageStatus.INTERRUPTED: "[interrupted: the service was restarted]",
    MessageStatus.FAILED: "[interrupted: the AI provider failed]",
}


class AttachmentAnswer(Struct, frozen=True):
    """A file that goes with a message. Its bytes are under `path`."""

    id: str
    filename: str
    mime_type: str
    size: int
    path: str


class ApprovalRequest(Struct, frozen=True):
    """What waits for the user's decision."""

    request_id: str
    tool_calls: Sequence[ToolCall]
    processed: bool = False


class MessageAnswer(Struct, frozen=True, kw_only=True):
    """A message. `content` says so when the answer is only a part."""

    id: str
    role: Role
    content: str
    timestamp: datetime
    tool_calls: Sequence[ToolCall] | UnsetType = UNSET
    tool_executions: Sequence[ToolExecution] | UnsetType = UNSET
    attachments: Sequence[AttachmentAnswer] | UnsetType = UNSET
    approval_request: ApprovalRequest | UnsetType = UNSET
    usage: Usage | UnsetType = UNSET


class TurnAnswer(Struct, frozen=True):
    """The answer to a question that was asked without streaming."""

    message: MessageAnswer
    session_id: str


class StreamAnswer(Struct, frozen=True):
    """Where the answer to a question can be followed."""

    stream_id: str
    session_id: str
    stream_url: str


class Pagination(Struct, frozen=True):
    """Which part of a list this is."""

    page: int
    limit: int
    offset: int
    total: int


class MatchAnswer(Struct, frozen=True, kw_only=True):
    """What a search has found in a session. `snippet` is plain text; a mark is where in it a hit begins and ends.

    Places count UTF-16 code units, as JavaScript does.
    """

    field: MatchField
    message_id: str | UnsetType = UNSET
    snippet: str
    marks: Sequence[tuple[int, int]]


class ListedSession(Session, frozen=True, kw_only=True):
    """A session in a list."""

    match: MatchAnswer | UnsetType = UNSET


class SessionList(Struct, frozen=True):
    """One page of sessions."""

    sessions: Sequence[ListedSession]
    pagination: Pagination


class MessageList(Struct, frozen=True):
    """One page of messages."""

    messages: Sequence[MessageAnswer]
    pagination: Pagination


class Confirmation(Struct, frozen=True):
    """A sentence that says what was done."""

    message: str


def message_answer(message: Message, now: datetime) -> MessageAnswer:
    """The message as the user interface shows it at that time.

    Calls of an approval are there while it can be decided: the interface makes buttons of them.
    """
    waiting = unanswered_calls(message.parts) if _can_be_decided(message.approval, now) else ()
    calls = waiting if message.role is Role.TOOL_APPROVAL else _calls(message)
    executions = past_executions(message.parts, message.created_at)
    return MessageAnswer(
        id=message.id,
        role=message.role,
        content=_content(message, now),
        timestamp=message.created_at,
        tool_calls=tool_calls(calls) or UNSET,
        tool_executions=executions or UNSET,
        attachments=[_attachment(part) for part in message.attachments] or UNSET,
        approval_request=ApprovalRequest(message.id, tool_calls(waiting)) if waiting else UNSET,
        usage=message.usage or UNSET,
    )


def _calls(message: Message) -> Sequence[ToolCallPart]:
    return [part for part in message.parts if isinstance(part, ToolCallPart)]


def _attachment(part: AttachmentPart) -> AttachmentAnswer:
    return AttachmentAnswer(part.id, part.filename, part.mime_type, part.size, f"/v1/chat/attachments/{part.id}")


def _content(message: Message, now: datetime) -> str:
    outcome = _outcome(message, message.approval, now) if message.approval else _HOW_IT_ENDED[message.status]
    return "\n\n".join(text for text in (message.text, outcome) if text)


def _can_be_decided(approval: Approval | None, now: datetime) -> bool:
    return approval is not None and approval.status is ApprovalStatus.PENDING and now < approval.expires_at


def _outcome(message: Message, approval: Approval, now: datetime) -> str:
    calls = unanswered_calls(message.parts)
    match approval.status:
        case ApprovalStatus.PENDING if _can_be_decided(approval, now):
            return approval_question(calls)
        case ApprovalStatus.PENDING:
            return "[The approval has expired; nothing ran.]"
        case ApprovalStatus.APPROVED:
            approved = [call for call in calls if call.id in approval.approved_ids]
            return f"[Approved: {', '.join(f'`{call.name}`' for call in approved)}]"
        case ApprovalStatus.DENIED:
            return "[Denied; nothing ran.]"
        case ApprovalStatus.SUPERSEDED:
            return "[Not approved: the conversation went on; nothing ran.]"


def session_list(page: Page[Session]) -> SessionList:
    """A page of sessions as the contract has it."""
    return SessionList([_listed(session) for session in page.items], _pagination(page))


def found_list(page: Page[FoundSession]) -> SessionList:
    """A page of what a search has found, as the contract has it."""
    return SessionList([_listed(found.session, _match(found.match)) for found in page.items], _pagination(page))


def _listed(session: Session, match: MatchAnswer | UnsetType = UNSET) -> ListedSession:
    return ListedSession(
        session.id, session.user_id, session.title, session.created_at, session.updated_at, match=match
    )


def _match(match: Match) -> MatchAnswer:
    return MatchAnswer(
        field=match.field, message_id=match.message_id or UNSET, snippet=match.snippet, marks=match.marks
    )


def message_list(page: Page[Message], now: datetime) -> MessageList:
    """A page of messages as the contract has it."""
    return MessageList(
        [message_answer(message, now) for message in page.items],
        _pagination(page),
    )


def _pagination(page: Page[Any]) -> Pagination:
    return Pagination(page.page, page.limit, page.offset, page.total)
