"""What the mock provider makes of a conversation.

A line `use TOOL {"argument": "value"}` of a question, where such a tool is offered, is an order to call it; the
arguments may be left out. Lines in a row are calls at once; a line `then` begins the next round, which comes when the
results of the one before are there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from aichat_backend.chat.parts import ChatMessage, FilePart, Role, TextPart, ToolResultPart, text_of
from aichat_backend.providers.base import ModelRequest

_ORDER = re.compile(r"use\s+([\w-]+)\s*(\{.*)?")
_NEXT_ROUND = "then"
_LONGEST_QUOTE = 500
"""Characters of a result: told word by word, a long one would never end."""
_NAMING = "You name conversations."
"""How a request for a title begins, which is not part of any conversation."""
_EXCHANGE = re.compile(r"User: (.*?)(?:\n\nAssistant: .*)?", re.DOTALL)
_WORDS_OF_A_TITLE = 6


class Order(Struct, frozen=True):
    """A tool to call, and the arguments as they were written."""

    tool: str
    arguments: str


class Reading(Struct, frozen=True):
    """The latest question, what came before it, and what has come of it."""

    question: str
    earlier: tuple[str, ...]
    files: tuple[FilePart, ...]
    results: tuple[tuple[ToolResultPart, ...], ...]
    """Of each round of calls since the question."""
    returned: tuple[FilePart, ...]
    """The files among the results."""


def read(request: ModelRequest) -> Reading:
    """Find the latest question and what has come of it."""
    asked = [message for message in request.messages if message.role is Role.USER]
    questions = [position for position, message in enumerate(asked) if _asks(message)]
    latest, since = asked[questions[-1]], asked[questions[-1] + 1 :]
    return Reading(
        question=text_of(latest.parts),
        earlier=tuple(text_of(asked[position].parts) for position in questions[:-1]),
        files=tuple(_files(latest)),
        results=tuple(tuple(part for part in message.parts if isinstance(part, ToolResultPart)) for message in since),
        returned=tuple(file for message in since for file in _files(message)),
    )


def orders(reading: Reading, request: ModelRequest) -> Sequence[Order]:
    """What is to be called now."""
    offered = {spec.name for spec in request.tools}
    rounds: list[list[Order]] = [[]]
    for line in reading.question.splitlines():
        if line.strip() == _NEXT_ROUND:
            rounds.append([])
        elif (found := _ORDER.fullmatch(line.strip())) and found[1] in offered:
            rounds[-1].append(Order(found[1], found[2] or "{}"))
    waiting = [ordered for ordered in rounds if ordered][len(reading.results) :]
    return waiting[0] if waiting else ()


def answer(reading: Reading, request: ModelRequest) -> str:
    """What is said when nothing is left to be called: a title, where one is asked for."""
    if (request.system or "").startswith(_NAMING) and (exchange := _EXCHANGE.fullmatch(reading.question)):
        return " ".join(exchange[1].split()[:_WORDS_OF_A_TITLE])
    return "\n".join((*_beginning(reading), *_about_files(reading), *_about_tools(reading, request)))


def _asks(message: ChatMessage) -> bool:
    """Whether the user speaks: with results of tools, that is so where something other than their files ends it."""
    return isinstance(message.parts[-1], TextPart) or not any(
        isinstance(part, ToolResultPart) for part in message.parts
    )


def _files(message: ChatMessage) -> Iterator[FilePart]:
    return (part for part in message.parts if isinstance(part, FilePart))


def _beginning(reading: Reading) -> Iterator[str]:
    yield f"The mock provider answers, no model was asked. You said: {reading.question}"
    if reading.earlier:
        count = len(reading.earlier)
        yield f"Earlier questions in this conversation: {count}; the first one was: {reading.earlier[0]}"
    else:
        yield "This is the first question of the conversation."


def _about_files(reading: Reading) -> Iterator[str]:
    for what, files in (("Sent with it", reading.files), ("Returned by tools", reading.returned)):
        for file in files:
            text = f", which reads: {_quoted(file.text)}" if file.text else ""
            yield f"{what}: {file.filename} ({file.mime_type}, {len(file.data)} bytes){text}"


def _about_tools(reading: Reading, request: ModelRequest) -> Iterator[str]:
    for results in reading.results:
        for result in results:
            yield f"{result.name} {'failed' if result.is_error else 'returned'}: {_quoted(result.text)}"
    if request.tools and not reading.results:
        names = ", ".join(spec.name for spec in request.tools)
        yield f'Tools that can be called by a line such as `use {request.tools[0].name} {{"key": "value"}}`: {names}'


def _quoted(text: str) -> str:
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…"
