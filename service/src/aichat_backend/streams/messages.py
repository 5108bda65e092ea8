"""The events a reader sees, in the words of the wire contract."""

from __future__ import annotations

from enum import StrEnum

import msgspec
from msgspec import Struct


class StreamMessageType(StrEnum):
    """What an event tells. The user interface dispatches on these names."""

    MESSAGE = "message"
    """`content` is the next piece of the answer's text."""
    REASONING = "reasoning"
    """`content` is the next piece of what the model thinks aloud."""
    ERROR = "error"
    """Terminal: the answer failed, `error` says why."""
    DONE = "done"
    """Terminal: the answer is complete and stored."""


class StreamMessage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event. Every one names its session, so that the first one already tells a new session's id."""

    type: StreamMessageType
    session_id: str
    content: str = ""
    error: str = ""
    done: bool = False


_encoder = msgspec.json.Encoder()


def encode_event(event_id: int, message: StreamMessage) -> bytes:
    """The event as bytes of an event stream.

    It has no `event:` line on purpose: EventSource delivers `event: error` to its error handler, not to the reader.
    """
    return b"id: %d\ndata: %b\n\n" % (event_id, _encoder.encode(message))
