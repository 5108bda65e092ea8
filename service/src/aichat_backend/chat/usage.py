"""What users have spent, in tokens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Protocol

from msgspec import Struct

from aichat_backend.chat.parts import Usage


class Spent(Struct, frozen=True):
    """What an answer has cost."""

    model: str
    usage: Usage


class DailyUsage(Struct, frozen=True):
    """Tokens of one day (UTC) and model."""

    day: date
    model: str
    input_tokens: int
    output_tokens: int
    answers: int


class UsageStore(Protocol):
    """Counted tokens; estimated ones, where no provider has counted.

    They stay when conversations are deleted, and go when the user is erased.

    Raises:
        Unavailable: when the database does not answer.
    """

    async def add(self, user_id: str, model: str, usage: Usage, *, answers: int = 1) -> None:
        """Count tokens on today's account, and the answers they were spent on: none, for what is no answer.

        What answers cost is counted where they are stored, by a `TurnStore`; here, what was spent on one of them after
        another process had ended it.
        """

    async def by_day(self, user_id: str) -> Sequence[DailyUsage]:
        """All of the user's, newest day first."""

    async def spent_today(self, user_id: str) -> int:
        """The user's tokens of today, both ways."""
