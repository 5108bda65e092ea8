"""What things cost in tokens, roughly."""

from __future__ import annotations

from aichat_backend.chat.estimates import estimated_usage
from aichat_backend.chat.parts import ChatMessage, FilePart, ModelPart, Role, TextPart
from aichat_backend.providers.base import ModelRequest, ToolSpec
from fakes.messages import call, result, thought

WORDS = "words " * 1_000


def asked(*parts: ModelPart, system: str | None = None, tools: tuple[ToolSpec, ...] = ()) -> int:
    request = ModelRequest(model="m", system=system, tools=tools, messages=(ChatMessage(Role.USER, parts),))
    usage = estimated_usage(request, ())
    assert usage.estimated
    assert usage.output_tokens == 0
    return usage.input_tokens


def test_all_that_is_sent_costs_something() -> None:
    bare = asked(TextPart("Why?"))
    tool = ToolSpec("query", WORDS, {"type": "object", "description": WORDS})

    assert 1 <= bare < 20
    assert asked(TextPart(WORDS)) > 1_000
    assert asked(result("a", WORDS)) > 1_000
    assert asked(TextPart("Why?"), system=WORDS) > bare + 1_000
    assert asked(TextPart("Why?"), tools=(tool,)) > bare + 2_000
    assert asked(FilePart("a.png", "image/png", b"x")) > 1_000
    assert asked(FilePart("a.txt", "text/plain", WORDS.encode(), WORDS)) > 1_000


def test_what_is_said_costs_as_much_as_there_is_of_it() -> None:
    request = ModelRequest(model="m", messages=())

    assert estimated_usage(request, ()).output_tokens == 0
    assert estimated_usage(request, (TextPart(WORDS), thought(WORDS), call("a", arguments=WORDS))).output_tokens > 3_000
