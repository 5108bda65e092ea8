"""How long a model may take, and reading its answer within that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import Struct

from aichat_backend.errors import ProviderError, ProviderFailure


class TimeLimits(Struct, frozen=True):
    """Limits of one model call, in seconds."""

    first_byte: float = 60.0
    """From the request to the first byte of the answer, retries included."""
    idle: float = 60.0
    """Between two pieces of the answer."""
    total: float = 600.0
    """From the request to the end of the answer."""


class Deadlines:
    """The time limits of one model call that begins now.

    Each wait is limited by itself, so that the time a slow reader takes between two of them counts only for the total.
    """

    def __init__(self, limits: TimeLimits) -> None:
        self._limits = limits
        self._clock = asyncio.get_running_loop().time
        self._end = self._clock() + limits.total

    @asynccontextmanager
    async def first_byte(self) -> AsyncIterator[None]:
        """Limit the block in which the request is sent and its answer begins.

        Raises:
            ProviderError: TIMEOUT.
        """
        try:
            async with asyncio.timeout_at(min(self._clock() + self._limits.first_byte, self._end)) as timeout:
                yield
        except TimeoutError:
            if not timeout.expired():
                raise
            raise self._too_late("did not begin its answer", self._limits.first_byte) from None

    async def next(self, pieces: AsyncIterator[bytes]) -> bytes:
        """The next piece of the answer; empty at its end.

        Raises:
            ProviderError: TIMEOUT.
        """
        timeout = asyncio.timeout_at(min(self._clock() + self._limits.idle, self._end))
        try:
            async with timeout:
                return await anext(pieces, b"")
        except TimeoutError:
            if not timeout.expired():
                raise
            raise self._too_late("was silent", self._limits.idle) from None

    def _too_late(self, what: str, limit: float) -> ProviderError:
        if self._clock() >= self._end:
            what, limit = "did not finish its answer", self._limits.total
        return ProviderError(ProviderFailure.TIMEOUT, f"the provider {what} within {limit:g} s")
