"""Message parts as pure values: what was said, apart from where it is stored and which vendor said it.

A stored message keeps `Part`s. A model is asked with `ModelPart`s, in which files have their bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class Role(StrEnum):
    """Who a message is from."""

    USER = "user"
    ASSISTANT = "assistant"
    TOOL_APPROVAL = "tool_approval"
    """From the assistant, who asks whether tools may run. Models never see this role."""


class ProviderState(Struct, frozen=True):
    """What only one provider understands and wants back unchanged, such as a signature or an encrypted thought."""

    provider: str
    """The name of the provider that made it; every other one leaves it out."""
    data: str


class TextPart(Struct, frozen=True, tag="text", omit_defaults=True):
    """Text to show."""

    text: str
    state: ProviderState | None = None


class ReasoningPart(Struct, frozen=True, tag="reasoning", omit_defaults=True):
    """What the model thought aloud before it went on. It goes back only with a state, to the provider that made it."""

    text: str
    state: ProviderState | None = None


class ToolCallPart(Struct, frozen=True, tag="tool_call", omit_defaults=True):
    """The model wants a tool to run."""

    id: str
    """Unique in its conversation."""
    name: str
    """The tool as the model knows it."""
    arguments: str
    """The text of a JSON object, as the model wrote it."""
    state: ProviderState | None = None


class AttachmentPart(Struct, frozen=True, tag="attachment"):
    """A file that goes with a message. Its bytes are stored elsewhere, once, under their hash."""

    id: str
    filename: str
    mime_type: str
    size: int
    sha256: str
    """Of the bytes, in hexadecimal digits."""


class ToolResultPart(Struct, frozen=True, tag="tool_result", omit_defaults=True):
    """What came of a tool call; also a refusal is a result."""

    call_id: str
    name: str
    text: str
    is_error: bool = False
    files: tuple[AttachmentPart, ...] = ()
    started_at: datetime | None = None
    """None when nothing ran."""
    ended_at: datetime | None = None
    arguments: str = ""
    """The call's, where that is part of an earlier message."""


Part = TextPart | ReasoningPart | ToolCallPart | ToolResultPart | AttachmentPart


class FilePart(Struct, frozen=True):
    """A file as a model gets it: natively where its provider takes the type, else as text."""

    filename: str
    mime_type: str
    data: bytes
    text: str | None = None
    """What the file says, for types that have text; already marked with the file's name."""


ModelPart = TextPart | ReasoningPart | ToolCallPart | ToolResultPart | FilePart


class ChatMessage(Struct, frozen=True):
    """One message of a conversation as a model sees it: of the user or of the assistant.

    Results of tools are the first parts of the user's message that follows the assistant's with the calls.
    """

    role: Role
    parts: tuple[ModelPart, ...]
    opens_turn: bool = False
    """Whether the user speaks here, and not only tools."""


class Usage(Struct, frozen=True, omit_defaults=True):
    """Tokens of model calls, as the provider counted them."""

    input_tokens: int
    output_tokens: int
    estimated: bool = False
    """Whether some of them are our own estimate."""

    @property
    def exact(self) -> Usage | None:
        """What the provider counted: an estimate is for the user's account alone, and shown with no message."""
        return None if self.estimated else self

    def beyond(self, other: Usage | None) -> Usage:
        """What is more than that."""
        if other is None:
            return self
        return Usage(self.input_tokens - other.input_tokens, self.output_tokens - other.output_tokens, self.estimated)

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.estimated or other.estimated,
        )


def text_of(parts: Iterable[object]) -> str:
    """The text to show, without reasoning, calls and results."""
    return "".join(part.text for part in parts if isinstance(part, TextPart))
