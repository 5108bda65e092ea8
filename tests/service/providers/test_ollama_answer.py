"""What Ollama's lines mean, without a network."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat_backend.chat.parts import ProviderState, Usage
from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.base import Event, Finished, FinishReason, ReasoningDelta, TextDelta, ToolCall
from aichat_backend.providers.failures import Scrubber
from aichat_backend.providers.ollama_answer import AnswerDecoder
from fakes.asking import question
from fakes.ollama_wire import calls, done, line, text, thinking


def decode(pieces: Iterable[bytes]) -> list[Event]:
    decoder = AnswerDecoder(question(), Scrubber(None))
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + list(decoder.end())


def spoken(events: list[Event]) -> tuple[str, str, list[tuple[str, str]], Finished]:
    """The text, the reasoning, the calls and the end, however they were cut."""
    said = "".join(event.text for event in events if isinstance(event, TextDelta))
    thought = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    called = [(event.name, event.arguments) for event in events if isinstance(event, ToolCall)]
    assert isinstance(events[-1], Finished)
    return said, thought, called, events[-1]


WHOLE = (
    thinking("hm…")
    + b"\n"
    + text("é→🙂")
    + text(" \\n\n")
    + calls(("list", {"of": "ü"}), ("list", {}))
    + calls(("check", {"n": 1.50}))
    + done(tokens=(3, 4))
)
MEANING = (
    "é→🙂 \\n\n",
    "hm…",
    [("list", '{"of":"ü"}'), ("list", "{}"), ("check", '{"n":1.5}')],
    Finished(FinishReason.TOOL_CALLS, Usage(3, 4)),
)


def test_cut_in_two_anywhere() -> None:
    for offset in range(len(WHOLE)):
        assert spoken(decode([WHOLE[:offset], WHOLE[offset:]])) == MEANING, f"cut at {offset}"


@given(st.lists(st.integers(0, len(WHOLE)), max_size=30))
def test_cut_into_many(places: list[int]) -> None:
    marks = [0, *sorted(places), len(WHOLE)]
    assert spoken(decode(WHOLE[start:end] for start, end in pairwise(marks))) == MEANING


def test_neighbours_of_one_piece_are_joined_and_kinds_kept_apart() -> None:
    assert decode([thinking("a") + thinking("b") + text("c") + text("d") + done()])[:-1] == [
        ReasoningDelta("ab"),
        TextDelta("cd"),
    ]


def test_each_call_has_an_id_and_the_first_carries_the_thoughts() -> None:
    *_, first, second, _ = decode([thinking("I must “look”…\n") + calls(("f", {}), ("f", {})) + done()])

    assert isinstance(first, ToolCall)
    assert isinstance(second, ToolCall)
    assert first.state == ProviderState("ollama", "I must “look”…\n")
    assert second.state is None
    assert first.id != second.id


def test_an_id_that_a_newer_server_gives_is_kept() -> None:
    called, _ = decode([calls(("f", {}), id="call_x7k2") + done()])

    assert called == ToolCall("call_x7k2", "f", "{}")


@pytest.mark.parametrize(
    ("end", "finished"),
    [
        (done("length", (5, 6)), Finished(FinishReason.LENGTH, Usage(5, 6))),
        (line(done=True), Finished(FinishReason.STOP, None)),
        (line(done=True, eval_count=2), Finished(FinishReason.STOP, Usage(0, 2))),
        (line(done=True, eval_count=2.5, prompt_eval_count=1.0), Finished(FinishReason.STOP, Usage(1, 2))),
        (line(done=True, eval_count="many"), Finished(FinishReason.STOP, None)),
        (done().rstrip(), Finished(FinishReason.STOP, Usage(11, 7))),
        (done() + text("never"), Finished(FinishReason.STOP, Usage(11, 7))),
    ],
)
def test_ends(end: bytes, finished: Finished) -> None:
    assert decode([text("Hi") + end]) == [TextDelta("Hi"), finished]


@pytest.mark.parametrize(
    ("stream", "failure"),
    [
        pytest.param(b"", ProviderFailure.PROTOCOL, id="nothing at all"),
        pytest.param(text("Hi"), ProviderFailure.PROTOCOL, id="cut off"),
        pytest.param(calls(("f", {})), ProviderFailure.PROTOCOL, id="cut off after a call"),
        pytest.param(text("Hi")[:-9], ProviderFailure.PROTOCOL, id="cut off in a line"),
        pytest.param(b"<html>Welcome</html>", ProviderFailure.PROTOCOL, id="a web page"),
        pytest.param(b"[1]\n", ProviderFailure.PROTOCOL, id="not an object"),
        pytest.param(b'{"message":{"content":"\xff"}}\n', ProviderFailure.PROTOCOL, id="not UTF-8"),
        pytest.param(line({"content": 5}), ProviderFailure.PROTOCOL, id="a number for text"),
        pytest.param(calls(("f", "{")) + done(), ProviderFailure.PROTOCOL, id="arguments that are text"),
        pytest.param(calls(("f", [1])) + done(), ProviderFailure.PROTOCOL, id="arguments that are a list"),
        pytest.param(calls(("f", None)) + done(), ProviderFailure.PROTOCOL, id="arguments that are null"),
        pytest.param(calls(("", {})) + done(), ProviderFailure.PROTOCOL, id="a call of nothing"),
        pytest.param(b'{"error":"model runner has crashed"}\n', ProviderFailure.UNAVAILABLE, id="error"),
        pytest.param(b'{"error":{"message":"no"}}\n', ProviderFailure.UNAVAILABLE, id="error object"),
        pytest.param(
            b'{"error":"input exceeds the context length"}\n', ProviderFailure.CONTEXT_LENGTH, id="context length"
        ),
    ],
)
def test_fails_with(stream: bytes, failure: ProviderFailure) -> None:
    with pytest.raises(ProviderError) as caught:
        decode([stream])

    assert caught.value.failure is failure


def test_a_line_without_end_is_not_understood() -> None:
    with pytest.raises(ProviderError, match="protocol: more than"):
        decode(b"x" * 65536 for _ in range(100))


def test_what_was_said_before_an_error_is_told_before_it() -> None:
    decoder = AnswerDecoder(question(), Scrubber(None))
    events: Any = iter(decoder.feed(text("Half an") + text(" answer") + b'{"error":"gone"}\n'))

    assert next(events) == TextDelta("Half an answer")
    with pytest.raises(ProviderError, match="gone"):
        next(events)


def test_half_a_character_is_replaced_and_no_answer_lost_for_it() -> None:
    halves = (text("hi HALF") + calls(("query", {"sql": "HALF"})) + done()).replace(b"HALF", rb"\ud83d")

    said, _thought, called, _finished = spoken(decode([halves]))

    assert (said, called) == ("hi \N{REPLACEMENT CHARACTER}", [("query", '{"sql":"\\ufffd"}')])
