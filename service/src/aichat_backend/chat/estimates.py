"""What things cost in tokens, roughly: for what is not sent yet, and for what no provider has counted."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from aichat_backend.chat.parts import (
    AttachmentPart,
    FilePart,
    ModelPart,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
)
from aichat_backend.providers.base import ModelRequest, ToolSpec

_BYTES_A_TOKEN = 4
"""Of English text and JSON. Other languages take more tokens a letter, and more bytes as well."""
_TOKENS_A_MESSAGE = 8
_TOKENS_AN_IMAGE = 1_600
_MOST_TOKENS_A_FILE = 50_000
"""What is taken out of a file as text is bounded; so is what a page of a PDF costs."""


def tokens_of_message(parts: Sequence[Part | ModelPart]) -> int:
    """What a message costs that is sent."""
    return _TOKENS_A_MESSAGE + sum(map(_tokens_of_part, parts))


def tokens_beside_messages(system: str | None, tools: Sequence[ToolSpec]) -> int:
    """What instructions and tools cost, which are sent with each question."""
    return tokens_of_text(system or "") + sum(map(_tokens_of_tool, tools))


def tokens_of_text(text: str) -> int:
    """What a text costs."""
    return len(text.encode(errors="surrogatepass")) // _BYTES_A_TOKEN + 1


def estimated_usage(request: ModelRequest, said: Sequence[Part]) -> Usage:
    """What it costs to ask this and to be told that much."""
    asked = tokens_beside_messages(request.system, request.tools) + sum(
        tokens_of_message(message.parts) for message in request.messages
    )
    return Usage(asked, sum(map(_tokens_of_part, said)), estimated=True)


def _tokens_of_part(part: Part | ModelPart) -> int:
    match part:
        case TextPart(text=text):
            return tokens_of_text(text)
        case ReasoningPart(text=text):
            return tokens_of_text(text)
        case ToolCallPart(name=name, arguments=arguments):
            return tokens_of_text(name) + tokens_of_text(arguments)
        case ToolResultPart(text=text, files=files):
            return tokens_of_text(text) + sum(map(_tokens_of_part, files))
        case AttachmentPart(mime_type=mime_type, size=size):
            return _tokens_of_file(mime_type, size)
        case FilePart(mime_type=mime_type, data=data):
            return _tokens_of_file(mime_type, len(data))


def _tokens_of_file(mime_type: str, size: int) -> int:
    if mime_type.startswith("image/"):
        return _TOKENS_AN_IMAGE
    return min(size // _BYTES_A_TOKEN, _MOST_TOKENS_A_FILE)


def _tokens_of_tool(tool: ToolSpec) -> int:
    schema = len(msgspec.json.encode(tool.input_schema)) // _BYTES_A_TOKEN
    return tokens_of_text(tool.name) + tokens_of_text(tool.description) + schema
