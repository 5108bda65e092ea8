"""Message parts as pure values: what was said, apart from where it is stored and which vendor said it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct


class Role(StrEnum):
    """Who a message is from."""

    USER = "user"
    ASSISTANT = "assistant"


class TextPart(Struct, frozen=True, tag="text"):
    """Text to show."""

    text: str


class ReasoningPart(Struct, frozen=True, tag="reasoning"):
    """What the model thought aloud before it answered. Shown apart from the answer, not sent back."""

    text: str


Part = TextPart | ReasoningPart


class ChatMessage(Struct, frozen=True):
    """One message of a conversation as a model sees it."""

    role: Role
    parts: tuple[Part, ...]


class Usage(Struct, frozen=True):
    """Tokens of one model call, as the provider counted them."""

    input_tokens: int
    output_tokens: int


def text_of(parts: Iterable[Part]) -> str:
    """The text to show, without reasoning."""
    return "".join(part.text for part in parts if isinstance(part, TextPart))
