"""The decoder of Gemini's event stream, without a network."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat_backend.chat.parts import ChatMessage, ProviderState, Role, TextPart, Usage
from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.base import (
    Event,
    Finished,
    FinishReason,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolSpec,
)
from aichat_backend.providers.failures import Scrubber
from aichat_backend.providers.gemini_wire import AnswerDecoder
from fakes.gemini_wire import call, chunk, error, finish, reason, retry_in, said, text, thought
from fakes.openai_wire import sse

MODEL = "gemini-3.8-flash"
QUESTION = ModelRequest(
    model=MODEL,
    messages=(ChatMessage(Role.USER, (TextPart("Why is it slow?"),)),),
    tools=(ToolSpec("disks", "", {"type": "object"}), ToolSpec("query", "", {"type": "object", "required": ["sql"]})),
)


def decode(pieces: Iterable[bytes]) -> list[Event]:
    decoder = AnswerDecoder(QUESTION, Scrubber(None))
    events: list[Event] = []
    for piece in pieces:
        events += decoder.feed(piece)
    return [*events, *decoder.end()]


def joined(events: Iterable[Event]) -> list[Event]:
    """The events with neighbouring pieces of one part as one, however the bytes were cut."""
    told: list[Event] = []
    for event in events:
        before = told[-1] if told else None
        if isinstance(event, TextDelta | ReasoningDelta) and type(before) is type(event) and before.state is None:
            told[-1] = type(event)(before.text + event.text, event.state)
        else:
            told.append(event)
    return told


def signed(signature: str) -> ProviderState:
    return ProviderState("gemini", json.dumps({"model": MODEL, "signature": signature}, separators=(",", ":")))


WHOLE = (
    chunk(thought("Disks"))
    + chunk(thought(" é→🙂"))
    + chunk(said("Let me"))
    + chunk(said(" look."))
    + chunk(said("", "sig/text+=="))
    + chunk(call("disks", signature="sig/call+=="), call("query", {"sql": "SELECT 1"}, call_id="fc_2"))
    + finish(tokens=(20, 30))
)
SMALL = text("é→🙂") + sse({"candidates": [{"finishReason": "STOP"}]})


def test_everything_at_once() -> None:
    events = decode([WHOLE])

    disks = events[3]
    assert isinstance(disks, ToolCall)
    assert disks.id
    assert events == [
        ReasoningDelta("Disks é→🙂"),
        TextDelta("Let me look.", signed("")),
        TextDelta("", signed("sig/text+==")),
        ToolCall(disks.id, "disks", "{}", signed("sig/call+==")),
        ToolCall("fc_2", "query", '{"sql":"SELECT 1"}'),
        Finished(FinishReason.TOOL_CALLS, Usage(20, 30)),
    ]


def test_cut_anywhere() -> None:
    for offset in range(len(SMALL)):
        events = joined(decode([SMALL[:offset], SMALL[offset:]]))
        assert events == [TextDelta("é→🙂"), Finished(FinishReason.STOP, Usage(11, 7))], f"cut at {offset}"


@given(st.lists(st.integers(0, len(WHOLE)), max_size=30))
def test_cut_into_many(places: list[int]) -> None:
    marks = [0, *sorted(places), len(WHOLE)]
    events = joined(decode(WHOLE[a:b] for a, b in pairwise(marks)))

    assert [type(event) for event in events] == [
        ReasoningDelta,
        TextDelta,
        TextDelta,
        ToolCall,
        ToolCall,
        Finished,
    ]
    assert [event.state for event in events if isinstance(event, TextDelta)] == [signed(""), signed("sig/text+==")]


def test_neighbours_of_one_piece_are_joined_and_kinds_kept_apart() -> None:
    burst = chunk(thought("a"), thought("b")) + chunk(said("c")) + chunk(said("d")) + chunk(thought("e"))

    assert decode([burst + finish()])[:-1] == [ReasoningDelta("ab"), TextDelta("cd"), ReasoningDelta("e")]


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        pytest.param([chunk(said("Hi", "s"))], [TextDelta("Hi", signed("s"))], id="signed text alone"),
        pytest.param(
            [text("a"), chunk(said("b", "s"))],
            [TextDelta("a"), TextDelta("", signed("")), TextDelta("b", signed("s"))],
            id="signed after unsigned, in another piece",
        ),
        pytest.param(
            [chunk(said("a", "s")), chunk(said("b", "t"))],
            [TextDelta("a", signed("s")), TextDelta("b", signed("t"))],
            id="both signed",
        ),
        pytest.param(
            [chunk(thought("a")), chunk(said("b", "s"))],
            [ReasoningDelta("a"), TextDelta("b", signed("s"))],
            id="signed after a thought",
        ),
        pytest.param(
            [chunk(thought("a", "s")), text("b")], [ReasoningDelta("a", signed("s")), TextDelta("b")], id="thought"
        ),
        pytest.param([chunk({"thoughtSignature": "s"})], [TextDelta("", signed("s"))], id="nothing but a signature"),
        pytest.param(
            [text("a"), chunk(call("disks", call_id="1")), chunk(said("b", "s"))],
            [TextDelta("a"), ToolCall("1", "disks", "{}"), TextDelta("b", signed("s"))],
            id="signed after a call",
        ),
    ],
)
def test_signed_and_unsigned_pieces_stay_apart(chunks: list[bytes], expected: list[Event]) -> None:
    assert decode([*chunks, sse({"candidates": [{"finishReason": "STOP"}]})])[:-1] == expected


@pytest.mark.parametrize("args", [{"args": None}, {"args": {}}, {}])
def test_a_call_without_arguments(args: dict[str, Any]) -> None:
    (called, _finished) = decode([chunk({"functionCall": {"name": "disks", "id": "1", **args}}) + finish()])

    assert called == ToolCall("1", "disks", "{}")


def test_arguments_are_told_as_they_were_written() -> None:
    written = '{"sql" :  "\\u00e9", "n": 1.0, "big": 12345678901234567890123}'
    line = chunk(call("query", call_id="1")).replace(b'"args":{}', f'"args":{written}'.encode())

    (called, _finished) = decode([line + finish()])

    assert called == ToolCall("1", "query", written)


def test_calls_without_ids_get_different_ones() -> None:
    events = decode([chunk(call("disks"), call("disks")) + finish()])

    ids = [event.id for event in events if isinstance(event, ToolCall)]
    assert len(set(ids)) == 2
    assert all(ids)


@pytest.mark.parametrize(
    "unknown",
    [
        pytest.param(chunk({"executableCode": {"code": "x"}}), id="part"),
        pytest.param(sse({"something": "new", "candidates": [{"safetyRatings": []}]}), id="field"),
        pytest.param(sse({"candidates": [{"index": 1, "content": {"parts": [{"text": "no"}]}}]}), id="candidate"),
        pytest.param(sse({"candidates": [{"content": {}}]}), id="no parts"),
        pytest.param(sse({"candidates": [{"content": None}]}) + sse({"candidates": None}) + sse({}), id="nothing"),
        pytest.param(b": comment\n\nevent: new\n\n", id="no data"),
        pytest.param(sse({"promptFeedback": {"safetyRatings": []}}), id="feedback without a block"),
    ],
)
def test_what_is_not_known_is_passed_over(unknown: bytes) -> None:
    assert decode([text("Hi") + unknown + finish()]) == [TextDelta("Hi"), Finished(FinishReason.STOP, Usage(11, 7))]


@pytest.mark.parametrize(
    ("why", "expected"),
    [
        ("STOP", FinishReason.STOP),
        ("OTHER", FinishReason.STOP),
        ("SOMETHING_NEW", FinishReason.STOP),
        ("MAX_TOKENS", FinishReason.LENGTH),
        ("CONTINUATION", FinishReason.LENGTH),
    ],
)
def test_why_it_ended(why: str, expected: FinishReason) -> None:
    assert decode([text("Hi") + finish(why)])[-1] == Finished(expected, Usage(11, 7))


def test_thoughts_are_output_and_the_last_count_is_the_whole() -> None:
    usage = {"promptTokenCount": 10, "toolUsePromptTokenCount": 5, "candidatesTokenCount": 3, "thoughtsTokenCount": 40}
    last = sse({"candidates": [{"finishReason": "STOP"}], "usageMetadata": usage})

    assert decode([text("Hi") + last])[-1] == Finished(FinishReason.STOP, Usage(15, 43))


@pytest.mark.parametrize("usage", [None, 5, "many", {"candidatesTokenCount": -1}, {"promptTokenCount": 2**31}])
def test_a_count_that_makes_no_sense_is_not_told(usage: object) -> None:
    last = sse({"candidates": [{"finishReason": "STOP"}], "usageMetadata": usage})

    assert decode([last]) == [Finished(FinishReason.STOP, None)]


def blocked(why: str, **more: str) -> bytes:
    return sse({"promptFeedback": {"blockReason": why, **more}, "usageMetadata": {"promptTokenCount": 5}})


@pytest.mark.parametrize(
    ("stream", "failure"),
    [
        pytest.param(b"", ProviderFailure.PROTOCOL, id="nothing at all"),
        pytest.param(text("Hi"), ProviderFailure.PROTOCOL, id="cut off"),
        pytest.param(text("Hi") + b'data: {"candidates": [', ProviderFailure.PROTOCOL, id="cut off in a chunk"),
        pytest.param(b"<html>Welcome to nginx</html>", ProviderFailure.PROTOCOL, id="a web page"),
        pytest.param(b"data: {nonsense}\n\n", ProviderFailure.PROTOCOL, id="not JSON"),
        pytest.param(b"data: [1]\n\n", ProviderFailure.PROTOCOL, id="not an object"),
        pytest.param(b'data: {"candidates":"\xff"}\n\n', ProviderFailure.PROTOCOL, id="not UTF-8"),
        pytest.param(chunk({"text": 5}), ProviderFailure.PROTOCOL, id="a number for text"),
        pytest.param(
            chunk({"functionCall": {"name": "query", "args": [1]}}), ProviderFailure.PROTOCOL, id="a list of arguments"
        ),
        pytest.param(
            chunk({"functionCall": {"name": "query"}}),
            ProviderFailure.PROTOCOL,
            id="no arguments where some are required",
        ),
        *(
            pytest.param(text("Hi") + finish(why), ProviderFailure.CONTENT_FILTER, id=why)
            for why in (
                "SAFETY",
                "RECITATION",
                "LANGUAGE",
                "BLOCKLIST",
                "PROHIBITED_CONTENT",
                "SPII",
                "IMAGE_SAFETY",
                "ESCALATION",
                "MODEL_ARMOR",
            )
        ),
        *(
            pytest.param(finish(why), ProviderFailure.PROTOCOL, id=why)
            for why in ("MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS")
        ),
        pytest.param(finish("MISSING_THOUGHT_SIGNATURE"), ProviderFailure.BAD_REQUEST, id="unsigned"),
        pytest.param(finish("PUP_LIMITED_DISABLED"), ProviderFailure.AUTH, id="account limited"),
        *(
            pytest.param(blocked(why), ProviderFailure.CONTENT_FILTER, id=f"prompt {why}")
            for why in ("SAFETY", "OTHER", "BLOCKLIST", "JAILBREAK")
        ),
        pytest.param(sse(error(503, "UNAVAILABLE")), ProviderFailure.OVERLOADED, id="overloaded"),
        pytest.param(sse(error(500, "INTERNAL")), ProviderFailure.UNAVAILABLE, id="their fault"),
        pytest.param(sse(error(429, "RESOURCE_EXHAUSTED")), ProviderFailure.RATE_LIMITED, id="rate limit"),
        pytest.param(sse(error(504, "DEADLINE_EXCEEDED")), ProviderFailure.TIMEOUT, id="their timeout"),
        pytest.param(sse(error(529, "NEW")), ProviderFailure.OVERLOADED, id="unknown status, known code"),
        pytest.param(sse({"error": "no"}), ProviderFailure.UNAVAILABLE, id="error string"),
        pytest.param(b"event: error\ndata: out of order\n\n", ProviderFailure.UNAVAILABLE, id="error event, no JSON"),
        pytest.param(
            sse(error(400, "INVALID_ARGUMENT", "API key not valid", reason("API_KEY_INVALID"))),
            ProviderFailure.AUTH,
            id="key expired on the way",
        ),
    ],
)
def test_fails_with(stream: bytes, failure: ProviderFailure) -> None:
    with pytest.raises(ProviderError) as caught:
        decode([stream])

    assert caught.value.failure is failure


def test_says_why_it_declined() -> None:
    with pytest.raises(ProviderError, match="declined the question: SAFETY: too hot"):
        decode([blocked("SAFETY", blockReasonMessage="too hot")])
    with pytest.raises(ProviderError, match="declined to go on: RECITATION"):
        decode([text("It was") + finish("RECITATION")])


def test_an_error_in_the_stream_says_when_to_try_again() -> None:
    with pytest.raises(ProviderError) as caught:
        decode([sse(error(429, "RESOURCE_EXHAUSTED", "Slow down", retry_in("17.2s")))])

    assert caught.value.retry_after == 18


def test_what_was_said_before_an_error_is_told_before_it() -> None:
    decoder = AnswerDecoder(QUESTION, Scrubber(None))
    events = iter(decoder.feed(text("Half an") + text(" answer") + sse(error(500, "INTERNAL", "gone"))))

    assert next(events) == TextDelta("Half an answer")
    with pytest.raises(ProviderError, match="gone"):
        next(events)


def test_half_a_character_is_replaced_and_no_answer_lost_for_it() -> None:
    halves = (text("hi HALF") + chunk(call("query", {"sql": "HALF"}))).replace(b"HALF", rb"\ud83d")

    told, called, _finished = decode([halves + finish()])

    assert told == TextDelta("hi \N{REPLACEMENT CHARACTER}")
    assert isinstance(called, ToolCall)
    assert json.loads(called.arguments) == {"sql": "\N{REPLACEMENT CHARACTER}"}
