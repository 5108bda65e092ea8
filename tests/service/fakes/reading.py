"""Reading an event stream as EventSource does, frame by frame."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientResponse

from fakes.scripted import PATIENCE_SECONDS


@dataclass(frozen=True)
class Frame:
    """What stands between two blank lines: the fields in their order, and the bytes as they came."""

    raw: bytes
    fields: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, raw: bytes) -> Frame:
        lines = raw.decode().removesuffix("\n\n").split("\n")
        return cls(raw, tuple((name, value.removeprefix(" ")) for name, _, value in (x.partition(":") for x in lines)))

    def field(self, name: str) -> str | None:
        """The field's value, if it is there."""
        return dict(self.fields).get(name)

    @property
    def is_comment(self) -> bool:
        """Whether EventSource ignores it."""
        return all(name == "" for name, _ in self.fields)

    @property
    def is_event(self) -> bool:
        """Whether EventSource delivers it."""
        return self.field("data") is not None

    @property
    def id(self) -> int:
        """The event's position."""
        return int(self.field("id") or "")

    @property
    def data(self) -> dict[str, Any]:
        """The StreamMessage."""
        message: dict[str, Any] = json.loads(self.field("data") or "")
        return message


def frames_of(body: bytes) -> list[Frame]:
    """Every frame of a whole stream."""
    assert body.endswith(b"\n\n")
    return [Frame.parse(raw + b"\n\n") for raw in body.removesuffix(b"\n\n").split(b"\n\n")]


def events_of(body: bytes) -> list[Frame]:
    """The events of a whole stream."""
    return [frame for frame in frames_of(body) if frame.is_event]


def text_of(events: list[Frame]) -> str:
    """What the deltas amount to."""
    return "".join(event.data["content"] for event in events if event.data["type"] == "message")


class Reader:
    """Follows a stream while it runs."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response

    async def frame(self) -> Frame:
        """The next frame, whatever it is."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return Frame.parse(await self.response.content.readuntil(b"\n\n"))

    async def event(self) -> Frame:
        """The next event, past comments and settings."""
        while not (frame := await self.frame()).is_event:
            pass
        return frame

    async def rest(self) -> list[Frame]:
        """The events to the end of the stream."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            body = await self.response.read()
        return events_of(body) if body else []
