"""Conversations in the words of the wire contract."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from aichat_backend.chat.conversation import Message, MessageStatus, Page, Session
from aichat_backend.chat.parts import Role, Usage

_HOW_IT_ENDED = {
    MessageStatus.COMPLETE: "",
    MessageStatus.STOPPED: "[stopped]",
    MessageStatus.INTERRUPTED: "[interrupted: the service was restarted]",
    MessageStatus.FAILED: "[interrupted: the AI provider failed]",
}


class MessageAnswer(Struct, frozen=True, kw_only=True):
    """A message. `content` says so when the answer is only a part."""

    id: str
    role: Role
    content: str
    timestamp: datetime
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


class SessionList(Struct, frozen=True):
    """One page of sessions."""

    sessions: Sequence[Session]
    pagination: Pagination


class MessageList(Struct, frozen=True):
    """One page of messages."""

    messages: Sequence[MessageAnswer]
    pagination: Pagination


class Confirmation(Struct, frozen=True):
    """A sentence that says what was done."""

    message: str


def message_answer(message: Message) -> MessageAnswer:
    """The message as the user interface shows it."""
    ending = _HOW_IT_ENDED[message.status]
    return MessageAnswer(
        id=message.id,
        role=message.role,
        content=f"{message.text}\n\n{ending}" if ending else message.text,
        timestamp=message.created_at,
        usage=message.usage or UNSET,
    )


def session_list(page: Page[Session]) -> SessionList:
    """A page of sessions as the contract has it."""
    return SessionList(page.items, _pagination(page))


def message_list(page: Page[Message]) -> MessageList:
    """A page of messages as the contract has it."""
    return MessageList(
        [message_answer(message) for message in page.items],
        _pagination(page),
    )


def _pagination(page: Page[Any]) -> Pagination:
    return Pagination(page.page, page.limit, page.offset, page.total)
