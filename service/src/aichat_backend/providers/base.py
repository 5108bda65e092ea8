"""What a model provider is to the rest of the program: a stream of neutral events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from enum import StrEnum
from typing import Any, Protocol

from msgspec import Struct

from aichat_backend.chat.parts import ChatMessage, ProviderState, Usage


class TextDelta(Struct, frozen=True):
    """The next piece of the answer's text.

    With a state it ends its part, and may be empty; without one it is never empty.
    """

    text: str
    state: ProviderState | None = None


class ReasoningDelta(Struct, frozen=True):
    """The next piece of the model's reasoning; a state ends its part, as with text."""

    text: str
    state: ProviderState | None = None


class ToolCall(Struct, frozen=True):
    """The model wants a tool to run. It is told when it is complete."""

    id: str
    """Unique in the conversation; made by us where the vendor has none."""
    name: str
    arguments: str
    """The text of a JSON object."""
    state: ProviderState | None = None


class FinishReason(StrEnum):
    """Why the model stopped."""

    STOP = "stop"
    LENGTH = "length"
    """The answer is cut at the token limit."""
    TOOL_CALLS = "tool_calls"
    """The model waits for the results of its calls."""


class Finished(Struct, frozen=True):
    """The last event of every stream that did not fail."""

    reason: FinishReason
    usage: Usage | None = None
    model: str | None = None
    """Which model answered, where that is another than the one that was asked."""


Event = TextDelta | ReasoningDelta | ToolCall | Finished


class ToolSpec(Struct, frozen=True):
    """A tool as a model is told of it."""

    name: str
    """At most 64 of `[A-Za-z0-9_-]`, beginning with a letter or an underscore."""
    description: str
    input_schema: Mapping[str, Any]
    """A JSON schema of type object."""


class Reasoning(StrEnum):
    """How much a model should think before it answers."""

    OFF = "off"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class ModelRequest(Struct, frozen=True, kw_only=True):
    """One question to a model.

    `messages` are oldest first, alternate in role, and begin and end with the user's; every call in them has exactly
    one result.
    """

    model: str
    messages: tuple[ChatMessage, ...]
    system: str | None = None
    tools: tuple[ToolSpec, ...] = ()
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    reasoning: Reasoning | None = None
    """None leaves it to the model."""


_BESIDE_FILES = 4_000_000
"""Bytes of a request that are left for all but its files."""


class Capabilities(Struct, frozen=True):
    """What a provider takes natively. PDFs that it does not take it gets as text."""

    tools: bool = True
    images: bool = True
    pdfs: bool = True
    request_bytes: int | None = None
    """How large a whole request may be, where the vendor says so; files are in it in base64."""
    picture_bytes: int | None = None
    """How large one picture in base64 may be, where the vendor says so."""

    @property
    def file_room(self) -> int | None:
        """Bytes of files that fit into one request."""
        return None if self.request_bytes is None else _before_base64(self.request_bytes - _BESIDE_FILES)

    @property
    def picture_room(self) -> int | None:
        """Bytes of the largest picture."""
        return None if self.picture_bytes is None else _before_base64(self.picture_bytes)

    def shows(self, mime_type: str) -> bool:
        """Whether the model gets files of that type as they are, and not as text."""
        return self.images if mime_type.startswith("image/") else self.pdfs and mime_type == "application/pdf"


def _before_base64(size: int) -> int:
    return size // 4 * 3


class Provider(Protocol):
    """A model provider, configured and ready to be asked."""

    name: str
    capabilities: Capabilities

    def stream(self, request: ModelRequest) -> AsyncGenerator[Event]:
        """Ask the model. Everything comes in the order it is said; the last event is `Finished`.

        Closing or cancelling the generator frees the connection at once.

        Raises:
            ProviderError: with what the caller can do; partial text may have been given before.
        """

    async def warm(self) -> None:
        """Do the slow part of a first request (imports) now, off the event loop."""

    def problem(self) -> str | None:
        """What an administrator must do before this provider can be asked; None when it is ready."""

    async def aclose(self) -> None:
        """Free connections. The provider is not used afterwards."""
