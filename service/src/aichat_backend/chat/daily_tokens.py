"""What a user may spend in a day, in tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import structlog

from aichat_backend.chat.parts import Usage
from aichat_backend.errors import TooManyRequests, Unavailable

_log = structlog.get_logger(__name__)


class DailyTokens:
    """The same limit for every user; None is no limit. Answers count when they have ended."""

    def __init__(self, spent_today: Callable[[str], Awaitable[int]], limit: int | None) -> None:
        """`spent_today` is the account: see `UsageStore.spent_today`."""
        self._spent_today = spent_today
        self._limit = limit

    async def require_some(self, user_id: str) -> None:
        """Let nobody begin an answer who has none left.

        Raises:
            TooManyRequests: the user has spent them.
            Unavailable: the database does not answer.
        """
        if self._limit is not None and await self._spent_today(user_id) >= self._limit:
            now = datetime.now(UTC)
            raise TooManyRequests(
                f"You have spent the {self._limit} tokens that you have for a day; ask again tomorrow.",
                code="tokens_spent",
                retry_after=86_400 - (now.hour * 3600 + now.minute * 60 + now.second),
            )

    async def spent_by(self, user_id: str, under_way: Usage | None) -> str | None:
        """The limit that an answer under way has come to with what it has cost, as a clause, or None.

        While nobody knows what was spent before, the answer alone counts: it goes on without its database.
        """
        if self._limit is None:
            return None
        spent = 0 if under_way is None else under_way.input_tokens + under_way.output_tokens
        try:
            spent += await self._spent_today(user_id)
        except Unavailable as error:
            _log.warning("tokens_of_the_day_unknown", user_id=user_id, detail=error.detail)
        return f"the limit of {self._limit} tokens for a day is reached" if spent >= self._limit else None
