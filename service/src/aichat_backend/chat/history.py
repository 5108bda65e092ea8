"""From stored messages to what a model is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import dropwhile, groupby

from msgspec import Struct

from aichat_backend.chat.conversation import Message
from aichat_backend.chat.parts import ChatMessage, Role, TextPart
from aichat_backend.providers.base import ModelRequest


class ModelOptions(Struct, frozen=True, kw_only=True):
    """What the operator chose for every question."""

    model: str
    system: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None


def build_request(options: ModelOptions, history: Sequence[Message]) -> ModelRequest:
    """The question that the last user message asks, with all that was said before.

    Providers want roles that alternate and begin with the user's, so neighbours of one role become one message (an
    answer that never came leaves two questions in a row) and messages without a word are left out.
    """
    spoken = (message for message in history if message.text.strip())
    from_first_question = dropwhile(lambda message: message.role is not Role.USER, spoken)
    return ModelRequest(
        model=options.model,
        system=options.system,
        temperature=options.temperature,
        max_tokens=options.max_tokens,
        messages=tuple(
            ChatMessage(role, (TextPart(_joined(messages)),))
            for role, messages in groupby(from_first_question, key=lambda message: message.role)
        ),
    )


def _joined(messages: Iterable[Message]) -> str:
    return "\n\n".join(_with_context(message.text, message.context) for message in messages)


def _with_context(text: str, context: Mapping[str, str]) -> str:
    if not context:
        return text
    facts = "\n".join(f"- {name}: {value}" for name, value in context.items())
    return f"{text}\n\nThe page this was asked on says about itself:\n{facts}"
