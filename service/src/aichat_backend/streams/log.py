"""An append-only log of encoded events that readers follow at their own pace."""

from __future__ import annotations

import asyncio

from aichat_backend.streams.messages import StreamMessage, encode_event


class EventLog:
    """The events of one run. The first event has the id 1; an id is a position a reader can go on from."""

    def __init__(self) -> None:
        self._frames: list[bytes] = []
        self.size = 0
        """Bytes of all events."""
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
        frame = encode_event(len(self._frames) + 1, message)
        self._frames.append(frame)
        self.size += len(frame)
        self._wake()

    def close(self, terminal: StreamMessage) -> None:
        """Add the terminal event. Nothing can follow."""
        self.append(terminal)
        self._closed = True

    def after(self, event_id: int) -> bytes:
        """All events after the one of that id, ready to be written at once; empty when there are none yet."""
        return b"".join(self._frames[event_id:])

    def announce_to(self, arrival: asyncio.Future[None]) -> None:
        """Resolve this future when the next event is there."""
        self._waiting.add(arrival)

    def forget(self, arrival: asyncio.Future[None]) -> None:
        """Announce nothing to this future any more."""
        self._waiting.discard(arrival)

    def _wake(self) -> None:
        for arrival in self._waiting:
            resolve(arrival)
        self._waiting.clear()


def resolve(future: asyncio.Future[None]) -> None:
    """Wake who waits for this future, unless that has happened already."""
    if not future.done():
        future.set_result(None)
