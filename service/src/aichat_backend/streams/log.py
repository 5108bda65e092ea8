"""An append-only log of encoded events that readers follow at their own pace."""

from __future__ import annotations

import asyncio

from aichat_backend.streams.messages import StreamMessage, encode_event


class EventLog:
    """The events of one run. The first event has the id 1; an id is a position a reader can go on from."""

    def __init__(self) -> None:
        self._frames: list[bytes] = []
        self._closed = False
        self._waiting: set[asyncio.Future[None]] = set()

    def __len__(self) -> int:
        """The number of events, which is the id of the last one."""
        return len(self._frames)

    @property
    def closed(self) -> bool:
        """Whether the last event is there."""
        return self._closed

    def append(self, message: StreamMessage) -> None:
        """Add an event and wake those who wait for it."""
        if self._closed:
            raise RuntimeError("an event after the terminal one")
        self._frames.append(encode_event(len(self._frames) + 1, message))
        self._wake()

    def close(self, terminal: StreamMessage) -> None:
        """Add the terminal event. Nothing can follow."""
        self.append(terminal)
        self._closed = True

    def after(self, event_id: int) -> bytes:
        """All events after the one of that id, ready to be written at once; empty when there are none yet."""
        return b"".join(self._frames[event_id:])

    async def wait_beyond(self, event_id: int, timeout: float) -> bool:  # noqa: ASYNC109 - on the hot path: no task, one timer
        """Wait until there is an event after that id.

        Returns:
            False when `timeout` seconds passed first.
        """
        if len(self._frames) > event_id:
            return True
        loop = asyncio.get_running_loop()
        arrival = loop.create_future()
        self._waiting.add(arrival)
        timer = loop.call_later(timeout, _resolve, arrival)
        try:
            await arrival
        finally:
            timer.cancel()
            self._waiting.discard(arrival)
        return len(self._frames) > event_id

    def _wake(self) -> None:
        for arrival in self._waiting:
            _resolve(arrival)
        self._waiting.clear()


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
