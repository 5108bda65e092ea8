"""From stored messages to what a model is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from aichat_backend.chat.budget import fitting, room_for_messages
from aichat_backend.chat.conversation import Message
from aichat_backend.chat.files import FileReader
from aichat_backend.chat.marks import ABOUT_MARKS, tool_output
from aichat_backend.chat.parts import (
    AttachmentPart,
    ChatMessage,
    FilePart,
    ModelPart,
    Part,
    TextPart,
    ToolResultPart,
)
from aichat_backend.chat.shown_files import load_files
from aichat_backend.chat.transcript import Step, transcript
from aichat_backend.providers.base import Capabilities, ModelRequest, Reasoning, ToolSpec


class ModelOptions(Struct, frozen=True, kw_only=True):
    """What the operator chose for every question."""

    model: str
    system: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    reasoning: Reasoning | None = None
    context_tokens: int = 100_000
    """What a question may have altogether: instructions, tools, conversation, and the answer."""


async def build_request(
    options: ModelOptions,
    history: Sequence[Message],
    draft: Sequence[Part],
    *,
    tools: tuple[ToolSpec, ...],
    files: FileReader,
    able: Capabilities,
) -> ModelRequest:
    """The question that the last user message asks, with all that was said before and the answer so far."""
    system = "\n\n".join(text for text in (options.system, ABOUT_MARKS) if text)
    room = room_for_messages(options.context_tokens, system=system, tools=tools, max_tokens=options.max_tokens)
    steps = fitting(transcript(history, draft), room)
    loaded = await load_files(steps, files, able)
    return ModelRequest(
        model=options.model,
        system=system,
        messages=tuple(ChatMessage(step.role, tuple(_for_the_model(step, loaded)), step.opens_turn) for step in steps),
        tools=tools,
        temperature=options.temperature,
        top_p=options.top_p,
        max_tokens=options.max_tokens,
        reasoning=options.reasoning,
    )


def _for_the_model(step: Step, files: Mapping[str, FilePart | TextPart]) -> Iterator[ModelPart]:
    """The parts with their files: those that tools returned follow all results, as providers want it."""
    for part in step.parts:
        match part:
            case AttachmentPart():
                yield files[part.id]
            case ToolResultPart():
                yield _marked(part)
                if part is _last_result(step):
                    yield from _returned_files(step, files)
            case _:
                yield part


def _marked(result: ToolResultPart) -> ToolResultPart:
    return ToolResultPart(result.call_id, result.name, tool_output(result.name, result.text), result.is_error)


def _last_result(step: Step) -> ToolResultPart | None:
    results = [part for part in step.parts if isinstance(part, ToolResultPart)]
    return results[-1] if results else None


def _returned_files(step: Step, files: Mapping[str, FilePart | TextPart]) -> Iterator[ModelPart]:
    for part in step.parts:
        if isinstance(part, ToolResultPart) and part.files:
            yield TextPart(f"Returned by the tool {part.name}:")
            yield from (files[file.id] for file in part.files)
