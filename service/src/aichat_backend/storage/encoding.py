"""Values as JSON in a column of text, to the letter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from aichat_backend.chat.approvals import BoundCall
from aichat_backend.chat.conversation import Message
from aichat_backend.chat.parts import Part, ProviderState
from aichat_backend.chat.text import repaired
from aichat_backend.chat.underway import KeptDraft

T = TypeVar("T")

_encoder = msgspec.json.Encoder()
_parts = msgspec.json.Decoder(tuple[Part, ...])
_context = msgspec.json.Decoder(dict[str, str])
_calls = msgspec.json.Decoder(tuple[BoundCall, ...])
_details = msgspec.json.Decoder(dict[str, Any])
_ids = msgspec.json.Decoder(tuple[str, ...])
_draft = msgspec.json.Decoder(KeptDraft)


def encode(value: object) -> str:
    """The value as JSON. It never holds a NUL or a lone surrogate: JSON has escapes for both."""
    try:
        return _encoder.encode(value).decode()
    except UnicodeEncodeError:
        # What is ours has been repaired; this is a provider's, and none of our business.
        return json.dumps(msgspec.to_builtins(value))


def decode_parts(text: str) -> tuple[Part, ...]:
    """A message's parts."""
    return _decode(_parts, text)


def decode_context(text: str) -> Mapping[str, str]:
    """What the page told about itself."""
    return _decode(_context, text)


def decode_calls(text: str) -> tuple[BoundCall, ...]:
    """The calls that an approval is about."""
    return _decode(_calls, text)


def decode_ids(text: str) -> tuple[str, ...]:
    """The calls that were approved, or messages that an answer replaces."""
    return _decode(_ids, text)


def decode_draft(text: str) -> KeptDraft:
    """What was kept of an answer under way."""
    return _decode(_draft, text)


def decode_details(text: str) -> dict[str, Any]:
    """What an entry of the audit trail tells beside its columns."""
    return _decode(_details, text)


def _decode(decoder: msgspec.json.Decoder[T], text: str) -> T:
    try:
        return decoder.decode(text)
    except msgspec.DecodeError:
        # It refuses the escapes of lone surrogates.
        return msgspec.convert(json.loads(text), decoder.type)


def with_repaired_text(message: Message) -> Message:
    """The message with text that can be stored, all but the states of providers, which nobody may touch."""
    return _repaired(message)


def _repaired(value: T) -> T:
    changed: object = value
    match value:
        case str():
            changed = repaired(value)
        case tuple():
            changed = tuple(map(_repaired, value))
        case dict():
            changed = {_repaired(key): _repaired(item) for key, item in value.items()}
        case ProviderState():
            pass
        case Struct():
            changed = msgspec.structs.replace(
                value, **{name: _repaired(getattr(value, name)) for name in value.__struct_fields__}
            )
    return changed  # type: ignore[return-value]
