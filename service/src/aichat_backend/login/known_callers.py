"""Callers who were asked about a moment ago need not be asked about again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import NamedTuple

from aichat_backend.login.credentials import Credentials, Fingerprints

Identify = Callable[[Credentials], Awaitable[str]]
"""Gives the user id of whom the credentials belong to, or raises."""

_MOST = 10_000


class _Known(NamedTuple):
    user_id: str
    until: float


class KnownCallers:
    """Remembers for a few seconds whom credentials belong to, and asks once however many want to know.

    Only good answers are remembered: who logs in is let in at once. Who logs out is known for the seconds, counted
    from before the question: what comes back late is no younger for that.
    """

    def __init__(
        self, identify: Identify, *, seconds: float, most: int = _MOST, clock: Callable[[], float] = monotonic
    ) -> None:
        self._identify = identify
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._fingerprints = Fingerprints()
        self._known: dict[bytes, _Known] = {}
        self._asking: dict[bytes, asyncio.Task[str]] = {}

    async def who(self, credentials: Credentials) -> str:
        """The user id of whom the credentials belong to.

        Raises:
            ChatError: they are nobody's, or it cannot be found out.
        """
        fingerprint = self._fingerprints.of(credentials)
        known = self._known.get(fingerprint)
        if known is not None and self._clock() < known.until:
            return known.user_id
        asking = self._asking.get(fingerprint)
        if asking is None:
            asking = asyncio.create_task(self._ask(fingerprint, credentials))
            self._asking[fingerprint] = asking
            asking.add_done_callback(lambda done: self._asked(fingerprint, done))
        # Who leaves takes the question from nobody else.
        return await asyncio.shield(asking)

    async def aclose(self) -> None:
        """Ask no more."""
        under_way = [*self._asking.values()]
        for asking in under_way:
            asking.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    async def _ask(self, fingerprint: bytes, credentials: Credentials) -> str:
        until = self._clock() + self._seconds
        user_id = await self._identify(credentials)
        self._remember(fingerprint, _Known(user_id, until))
        return user_id

    def _asked(self, fingerprint: bytes, done: asyncio.Task[str]) -> None:
        del self._asking[fingerprint]
        if not done.cancelled():
            # Perhaps nobody is left to hear it.
            done.exception()

    def _remember(self, fingerprint: bytes, known: _Known) -> None:
        self._known.pop(fingerprint, None)
        self._known[fingerprint] = known
        now = self._clock()
        while self._known:
            oldest = next(iter(self._known))
            if len(self._known) <= self._most and now < self._known[oldest].until:
                break
            del self._known[oldest]
