"""A conversation as Markdown, for people to read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from aichat_backend.chat.conversation import Message, MessageStatus, Session
from aichat_backend.chat.parts import (
    AttachmentPart,
    Part,
    ReasoningPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

_SPEAKERS = {Role.USER: "You", Role.ASSISTANT: "Assistant", Role.TOOL_APPROVAL: "Assistant, asking for approval"}
_BACKTICKS = re.compile(r"`+")


SEPARATOR = "\n\n"
"""Between blocks, and so between what a conversation begins with and each of its messages."""


def opening(session: Session, now: datetime) -> str:
    """What a conversation begins with."""
    return SEPARATOR.join((f"# {' '.join(session.title.split())}", f"Exported {_time(now)}"))


def messages_as_markdown(messages: Sequence[Message]) -> str:
    """Messages, with a heading for each."""
    return SEPARATOR.join(block for message in messages for block in _blocks_of_message(message))


def _blocks_of_message(message: Message) -> Iterator[str]:
    yield f"## {_SPEAKERS[message.role]}, {_time(message.created_at)}"
    for part in message.parts:
        yield from _blocks(part)
    if message.context:
        yield "\n".join(f"- {_code(name)}: {_code(value)}" for name, value in message.context.items())
    if message.status is not MessageStatus.COMPLETE:
        yield f"*({message.status})*"


def _blocks(part: Part) -> Iterator[str]:
    match part:
        case TextPart(text=text):
            if text.strip():
                yield text.strip("\n")
        case ReasoningPart(text=text):
            if text.strip():
                yield "**Reasoning**"
                yield "\n".join(f"> {line}".rstrip() for line in text.strip().splitlines())
        case AttachmentPart():
            yield f"Attached: {_file(part)}"
        case ToolCallPart(name=name, arguments=arguments):
            yield f"**Tool call** {_code(name)}"
            yield _fenced(_laid_out(arguments), "json")
        case ToolResultPart():
            yield f"**{'Failure' if part.is_error else 'Result'} of** {_code(part.name)}"
            yield _fenced(part.text)
            yield from (f"Returned: {_file(file)}" for file in part.files)


def _file(part: AttachmentPart) -> str:
    return f"{_code(part.filename)} ({part.mime_type}, {part.size} bytes)"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _code(text: str) -> str:
    """A text within a line, whatever is in it."""
    line = " ".join(text.split())
    fence = "`" * (_longest_run(line) + 1)
    return f"{fence} {line} {fence}" if "`" in line else f"`{line}`"


def _fenced(text: str, language: str = "") -> str:
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in _BACKTICKS.findall(text)), default=0)


def _laid_out(arguments: str) -> str:
    try:
        return msgspec.json.format(arguments, indent=2)
    except (msgspec.DecodeError, RecursionError):
        return arguments
