"""Conversations as the rest of the program sees them, and what it asks of a place that stores them.

What happens while an answer is made is in `chat.turns`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from aichat_backend.chat.approvals import Approval
from aichat_backend.chat.parts import AttachmentPart, Part, Role, ToolCallPart, ToolResultPart, Usage, text_of

T = TypeVar("T")


def random_id() -> str:
    """128 random bits, fit for a URL: the id of a session, a message or a run."""
    return secrets.token_urlsafe(16)


class MessageStatus(StrEnum):
    """How a message came to its end."""

    COMPLETE = "complete"
    STOPPED = "stopped"
    """The user stopped it; what was there is kept."""
    INTERRUPTED = "interrupted"
    """The service ended first; what was there is kept."""
    FAILED = "failed"
    """The provider failed in mid-answer; what was there is kept."""


class Session(Struct, frozen=True):
    """One conversation of one user. `id` is unique for that user only."""

    id: str
    user_id: str
    title: str
    created_at: datetime
    updated_at: datetime


class Message(Struct, frozen=True, kw_only=True):
    """One stored message."""

    id: str
    role: Role
    parts: tuple[Part, ...]
    status: MessageStatus
    created_at: datetime
    context: Mapping[str, str] = {}
    """What the page told about itself when the user asked, such as the dashboard's name."""
    usage: Usage | None = None
    model: str | None = None
    """Which model said it."""
    approval: Approval | None = None
    """As it stands now; of messages with the role `TOOL_APPROVAL` alone."""

    @property
    def attachments(self) -> tuple[AttachmentPart, ...]:
        """The files that the user sent with it."""
        return tuple(part for part in self.parts if isinstance(part, AttachmentPart))

    @property
    def text(self) -> str:
        """The text to show, without reasoning; what was said before and after tools ran are paragraphs."""
        return shown_text(self.parts)


def shown_text(parts: Sequence[Part]) -> str:
    """The text to show of a message's parts."""
    return "\n\n".join(text for text in map(text_of, _between_tools(parts)) if text.strip())


def _between_tools(parts: Sequence[Part]) -> Iterator[list[Part]]:
    for of_tools, neighbours in groupby(parts, key=lambda part: isinstance(part, ToolCallPart | ToolResultPart)):
        if not of_tools:
            yield list(neighbours)


class Page(Struct, Generic[T], frozen=True):
    """One page of a list. `page` counts from 1; `total` counts all rows of the list."""

    items: tuple[T, ...]
    page: int
    limit: int
    total: int

    @property
    def offset(self) -> int:
        """Rows before this page."""
        return (self.page - 1) * self.limit


class ConversationStore(Protocol):
    """Stored conversations. Every call is bound to one user: what belongs to another does not exist.

    Raises:
        NotFound: where a session is named that this user does not have.
        Unavailable: when the database does not answer.
    """

    async def create_session(self, user_id: str, title: str) -> Session:
        """A new, empty session under a fresh random id."""

    async def list_sessions(self, user_id: str, *, page: int, limit: int) -> Page[Session]:
        """Newest activity first."""

    async def get_session(self, user_id: str, session_id: str) -> Session:
        """The session of that id."""

    async def rename_session(self, user_id: str, session_id: str, title: str) -> Session:
        """The session under its new title."""

    async def delete_session(self, user_id: str, session_id: str) -> None:
        """Take the session from the user at once, and remove it. Of a long one, `remove_left` removes the rest."""

    async def clear_messages(self, user_id: str, session_id: str) -> None:
        """As `delete_session`; in its place is then an empty one that goes by the same name."""

    async def list_messages(self, user_id: str, session_id: str, *, page: int | None, limit: int) -> Page[Message]:
        """Oldest first. Without a page: the newest `limit` messages (as the last rows, `page` is then 1)."""

    async def set_title(self, user_id: str, session_id: str, title: str, *, instead_of: str) -> bool:
        """Change the title if it is still that one; tells whether it was. Not an activity: `updated_at` stays."""

    async def take_all(self, user_id: str) -> None:
        """Take from the user at once all there is: sessions, messages, files, approvals, usage."""

    async def remove_left(self, user_id: str) -> None:
        """Remove what was taken from the user; no row holds anything of it then."""

    async def erase_left(self, user_id: str) -> None:
        """As `remove_left`; no file of the database holds anything of it either."""
