"""One reader of an event log, with its own place in it and its own patience."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from aichat_backend.streams.log import EventLog, resolve


class LogReader:
    """Reads a log from after an event to its end; a context, because it keeps a timer.

    The timer is one for all waits and looks at the clock only when it rings: arming one for each event would cost as
    much as relaying it.
    """

    def __init__(self, log: EventLog, *, after: int, patience: float) -> None:
        """`patience` is how many seconds of silence `read` waits out."""
        self._log = log
        self._position = min(after, len(log))
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._last_read = self._loop.time()
        self._arrival: asyncio.Future[None] | None = None
        self._timer = self._loop.call_later(patience, self._ring)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._timer.cancel()

    @property
    def ended(self) -> bool:
        """Whether everything has been read and nothing more can come."""
        return self._log.closed and self._position >= len(self._log)

    async def read(self) -> bytes:
        """All events that have come since the last time, or nothing after a time of silence."""
        if self._position >= len(self._log):
            await self._wait()
        events = self._log.after(self._position)
        self._position = len(self._log)
        self._last_read = self._loop.time()
        return events

    async def _wait(self) -> None:
        self._arrival = arrival = self._loop.create_future()
        self._log.announce_to(arrival)
        try:
            await arrival
        finally:
            self._arrival = None
            self._log.forget(arrival)

    def _ring(self) -> None:
        due = self._last_read + self._patience
        if self._loop.time() < due:
            self._timer = self._loop.call_at(due, self._ring)
            return
        if self._arrival is not None:
            resolve(self._arrival)
        self._timer = self._loop.call_later(self._patience, self._ring)
