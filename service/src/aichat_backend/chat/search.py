"""What a search finds: sessions, and where in each of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from aichat_backend.chat.conversation import Page, Session


class MatchField(StrEnum):
    """Where words were found."""

    TITLE = "title"
    MESSAGE = "message"


class Match(Struct, frozen=True):
    """The words in their surroundings."""

    field: MatchField
    snippet: str
    """Plain text: the title, or a piece of the message."""
    marks: tuple[tuple[int, int], ...]
    """Begin and end of each hit in the snippet, in UTF-16 code units, as JavaScript counts."""
    message_id: str | None = None


class FoundSession(Struct, frozen=True):
    """A session with what a search has found in it."""

    session: Session
    match: Match


class SessionSearch(Protocol):
    """Searches in stored conversations."""

    async def find_sessions(self, user_id: str, query: str, *, page: int, limit: int) -> Page[FoundSession]:
        """Those with a title or a message that has words beginning with all of the query's, newest activity first.

        Raises:
            InvalidRequest: when the query is too long.
            Unavailable: when the database does not answer.
        """
