"""Who is busy: one answer at a time in a session, and so many of each user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from time import monotonic

from aichat_backend.chat.underway import session_busy
from aichat_backend.errors import TooManyRequests

_A_MINUTE = 60.0


class Claims:
    """The sessions in which an answer is under way, and how many of them each user has."""

    def __init__(self, max_per_user: int) -> None:
        self._max_per_user = max_per_user
        self._sessions: set[tuple[str, str]] = set()
        self._under_way: Counter[str] = Counter()

    def claim(self, user_id: str, session_id: str | None) -> None:
        """Take a place for an answer; without a session it is taken once the session is known.

        Raises:
            Conflict: an answer is under way in this session.
            TooManyRequests: the user has as many under way as allowed.
        """
        if session_id is not None and (user_id, session_id) in self._sessions:
            raise session_busy()
        if self._under_way[user_id] >= self._max_per_user:
            raise TooManyRequests(
                f"You have {self._max_per_user} answers under way already; wait for one to end.", retry_after=5
            )
        self._under_way[user_id] += 1
        if session_id is not None:
            self._sessions.add((user_id, session_id))

    def name(self, user_id: str, session_id: str) -> None:
        """Say which session a claim without one was for."""
        self._sessions.add((user_id, session_id))

    def release(self, user_id: str, session_id: str | None) -> None:
        """Free the place."""
        self._under_way[user_id] -= 1
        if not self._under_way[user_id]:
            del self._under_way[user_id]
        if session_id is not None:
            self._sessions.discard((user_id, session_id))


class MessageRate:
    """How many messages each user may send in a minute."""

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._sent: dict[str, list[float]] = {}

    def count(self, user_id: str) -> None:
        """Count a message.

        Raises:
            TooManyRequests: one too many; it is not counted.
        """
        now = self._clock()
        sent = [at for at in self._sent.get(user_id, ()) if at > now - _A_MINUTE]
        if len(sent) >= self._per_minute:
            raise TooManyRequests(
                f"You may send {self._per_minute} messages in a minute; wait a little.",
                code="too_many_messages",
                retry_after=int(sent[0] + _A_MINUTE - now) + 1,
            )
        self._remember_last(user_id, [*sent, now])
        self._forget_the_quiet(now)

    def _remember_last(self, user_id: str, sent: list[float]) -> None:
        self._sent.pop(user_id, None)
        self._sent[user_id] = sent

    def _forget_the_quiet(self, now: float) -> None:
        """Let go of those whose last message is long ago; they stand in front."""
        while (quietest := next(iter(self._sent))) and self._sent[quietest][-1] <= now - _A_MINUTE:
            del self._sent[quietest]
