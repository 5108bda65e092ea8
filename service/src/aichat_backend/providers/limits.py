"""How long a model may take, and reading its answer within that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Protocol, Self

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


MOST_AT_ONCE = 64 * 1024
"""Bytes. What is there already is told in pieces that are still fast to work on."""


class Content(Protocol):
    """The body of an answer."""

    async def read(self, most: int, /) -> bytes:
        """What has come since the last time, or comes next, up to that many bytes; empty at the end."""


class Deadlines:
    """The time limits of one model call that begins now; used by one task, as a context that ends with the call.

    Each wait is limited by itself, so that the time a slow reader takes between two of them counts only for the total.
    """

    def __init__(self, limits: TimeLimits) -> None:
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.time() + limits.total
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: asyncio.Task[object] | None = None
        self._expired = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()

    @asynccontextmanager
    async def first_byte(self) -> AsyncIterator[None]:
        """Limit the block in which the request is sent and its answer begins.

        Raises:
            ProviderError: TIMEOUT.
        """
        timeout = asyncio.timeout_at(min(self._loop.time() + self._limits.first_byte, self._end))
        try:
            async with timeout:
                yield
        except TimeoutError:
            if not timeout.expired():
                raise
            raise self._too_late("did not begin its answer", self._limits.first_byte) from None

    async def read(self, content: Content) -> bytes:
        """The next piece of the answer; empty at its end.

        This is `asyncio.timeout` without its price: one timer that looks whether time is up, not one for each piece.

        Raises:
            ProviderError: TIMEOUT.
        """
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("deadlines need a task to wait in")
        cancelled_before = task.cancelling()
        self._due = min(self._loop.time() + self._limits.idle, self._end)
        if self._timer is None:
            self._timer = self._loop.call_at(self._due, self._look)
        self._waiting = task
        try:
            return await content.read(MOST_AT_ONCE)
        except asyncio.CancelledError:
            if self._expired and task.uncancel() <= cancelled_before:
                raise self._too_late("was silent", self._limits.idle) from None
            raise
        finally:
            self._waiting = None

    def _look(self) -> None:
        self._timer = None
        if self._waiting is None:
            return
        if self._loop.time() < self._due:
            self._timer = self._loop.call_at(self._due, self._look)
        else:
            self._expired = True
            self._waiting.cancel()

    def _too_late(self, what: str, limit: float) -> ProviderError:
        if self._loop.time() >= self._end:
            what, limit = "did not finish its answer", self._limits.total
        return ProviderError(ProviderFailure.TIMEOUT, f"the provider {what} within {limit:g} s")
