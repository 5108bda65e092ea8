"""A question to a provider, and its answer as a list."""

from __future__ import annotations

from aichat_backend.chat.parts import ChatMessage, Role, TextPart
from aichat_backend.providers.base import Event, ModelRequest, Provider

KEY = "sk-proj-canary-0123456789abcdef"


def question(
    model: str = "gpt-4o-mini", *, temperature: float | None = None, max_tokens: int | None = None
) -> ModelRequest:
    """A conversation of one message."""
    return ModelRequest(
        model=model,
        messages=(ChatMessage(Role.USER, (TextPart("Why is it slow?"),)),),
        temperature=temperature,
        max_tokens=max_tokens,
    )


async def told(provider: Provider, request: ModelRequest | None = None) -> list[Event]:
    """Everything the provider says to the question."""
    return [event async for event in provider.stream(request or question())]
