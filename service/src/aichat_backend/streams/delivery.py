"""Bringing an event log to one reader, at the pace of that reader's connection."""

from __future__ import annotations

import asyncio
from typing import Protocol

from aichat_backend.streams.log import EventLog


class Outlet(Protocol):
    """A reader's connection."""

    def offer(self, data: bytes) -> bool:
        """Send at once, and tell whether that was possible: not if something waits to be sent, or the reader has left.

        It must not raise.
        """

    async def write(self, data: bytes) -> None:
        """Send, before whatever is offered later, and wait until the connection can take more.

        Raises:
            ConnectionResetError: the reader has left.
        """


class Delivery:
    """Sends the events after one, to the last of the log, and a heartbeat in times of silence.

    An event goes out in the moment in which it is appended, in the task that appends it: waking another one, that of
    the reader's request, would cost as much as relaying the event. That task writes only what has come before, and what
    a slow connection does not take at once. Then it rests.

    The timer is one for all silences and looks at the clock only when it rings, for the same reason.
    """

    def __init__(self, log: EventLog, outlet: Outlet, *, after: int, patience: float, heartbeat: bytes) -> None:
        """`patience` is how many seconds of silence come before a heartbeat."""
        self._log = log
        self._outlet = outlet
        self._position = min(after, len(log))
        self._patience = patience
        self._heartbeat = heartbeat
        self._loop = asyncio.get_running_loop()
        self._sent_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._rest: asyncio.Future[None] | None = None
        """Unresolved while the reader's task rests: all events have been sent, and the next one may go out at once."""

    async def to_the_end(self) -> None:
        """Send until the terminal event is out; to be awaited once.

        Raises:
            ConnectionResetError: the reader has left.
        """
        self._timer = self._loop.call_later(self._patience, self._look)
        self._log.listen(self._send)
        try:
            while True:
                if events := self._log.after(self._position):
                    self._position = len(self._log)
                    self._sent_at = self._loop.time()
                    await self._outlet.write(events)
                elif self._log.closed:
                    return
                else:
                    self._rest = self._loop.create_future()
                    await self._rest
        finally:
            self._log.leave(self._send)
            if self._timer is not None:
                self._timer.cancel()

    def _send(self, event: bytes) -> None:
        rest = self._rest
        if rest is None or rest.done():
            return
        if self._outlet.offer(event):
            self._position += 1
            self._sent_at = self._loop.time()
            if not self._log.closed:
                return
        rest.set_result(None)

    def _look(self) -> None:
        due = self._sent_at + self._patience
        if self._loop.time() >= due:
            # Whoever is slow has something to read, and whoever left needs nothing.
            if self._rest is not None and not self._rest.done():
                self._outlet.offer(self._heartbeat)
            self._sent_at = self._loop.time()
            due = self._sent_at + self._patience
        self._timer = self._loop.call_at(due, self._look)
