"""What a model provider is to the rest of the program: a stream of neutral events."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from aichat_backend.chat.parts import ChatMessage, Usage


class TextDelta(Struct, frozen=True):
    """The next piece of the answer's text. Never empty."""

    text: str


class ReasoningDelta(Struct, frozen=True):
    """The next piece of the model's reasoning. Never empty."""

    text: str


class FinishReason(StrEnum):
    """Why the model stopped."""

    STOP = "stop"
    LENGTH = "length"
    """The answer is cut at the token limit."""


class Finished(Struct, frozen=True):
    """The last event of every stream that did not fail."""

    reason: FinishReason
    usage: Usage | None = None


Event = TextDelta | ReasoningDelta | Finished


class ModelRequest(Struct, frozen=True, kw_only=True):
    """One question to a model. `messages` are oldest first, alternate in role, and end with the user's."""

    model: str
    messages: tuple[ChatMessage, ...]
    system: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None


class Provider(Protocol):
    """A model provider, configured and ready to be asked."""

    name: str

    def stream(self, request: ModelRequest) -> AsyncGenerator[Event]:
        """Ask the model. Text comes in the order it is said; the last event is `Finished`.

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
