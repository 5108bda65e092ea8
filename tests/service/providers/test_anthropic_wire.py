"""The decoder of Anthropic's event stream, without a network."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat_backend.chat.parts import ChatMessage, ProviderState, Role, TextPart, ToolCallPart, ToolResultPart, Usage
from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.anthropic_wire import AnswerDecoder
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
from fakes.anthropic_wire import (
    PING,
    STOP,
    begin,
    delta,
    end,
    error_event,
    event,
    finish,
    redacted_block,
    start,
    text,
    text_block,
    thinking_block,
    tool_block,
)

QUESTION = ModelRequest(
    model="claude-sonnet-5-5",
    messages=(ChatMessage(Role.USER, (TextPart("Why is it slow?"),)),),
    tools=(ToolSpec("disks", "", {"type": "object"}), ToolSpec("query", "", {"type": "object", "required": ["sql"]})),
)


def decode(pieces: Iterable[bytes], request: ModelRequest = QUESTION) -> list[Event]:
    decoder = AnswerDecoder(request, Scrubber(None))
    events: list[Event] = []
    for piece in pieces:
        events += decoder.feed(piece)
        if decoder.done:
            break
    return [*events, *decoder.end()]


def joined(events: Iterable[Event]) -> list[Event]:
    """The events with neighbouring pieces of one part as one, however the bytes were cut."""
    told: list[Event] = []
    for said in events:
        before = told[-1] if told else None
        if isinstance(said, TextDelta | ReasoningDelta) and type(before) is type(said) and before.state is None:
            told[-1] = type(said)(before.text + said.text, said.state)
        else:
            told.append(said)
    return told


def signed(signature: str) -> ProviderState:
    return ProviderState("anthropic", json.dumps({"signature": signature}, separators=(",", ":")))


WHOLE = (
    b": hello\r\n\r\n"
    + start(20, written=5, read=100)
    + thinking_block("Disks", " é→🙂", signature="EqQB+/=", index=0)
    + PING
    + redacted_block("EmwKAhgB", index=1)
    + text_block("Let me", " look.", index=2)
    + tool_block("toolu_1", "disks", index=3)
    + tool_block("toolu_2", "query", '{"sql": "SEL', 'ECT 1"}', index=4)
    + finish("tool_use", output_tokens=42)
)
MEANING: list[Event] = [
    ReasoningDelta("Disks é→🙂", signed("EqQB+/=")),
    ReasoningDelta("", ProviderState("anthropic", '{"redacted":"EmwKAhgB"}')),
    TextDelta("Let me look."),
    ToolCall("toolu_1", "disks", "{}"),
    ToolCall("toolu_2", "query", '{"sql": "SELECT 1"}'),
    Finished(FinishReason.TOOL_CALLS, Usage(125, 42)),
]
SMALL = start() + text_block("é→🙂") + finish()


def test_everything_at_once() -> None:
    assert decode([WHOLE]) == MEANING


def test_cut_anywhere() -> None:
    for offset in range(len(SMALL)):
        events = joined(decode([SMALL[:offset], SMALL[offset:]]))
        assert events == [TextDelta("é→🙂"), Finished(FinishReason.STOP, Usage(11, 7))], f"cut at {offset}"


@given(st.lists(st.integers(0, len(WHOLE)), max_size=30))
def test_cut_into_many(places: list[int]) -> None:
    marks = [0, *sorted(places), len(WHOLE)]
    assert joined(decode(WHOLE[a:b] for a, b in pairwise(marks))) == MEANING


@given(st.text(), st.text(max_size=200), st.lists(st.integers(0, 400), max_size=5))
def test_any_thought_and_signature_come_out_as_they_went_in(thought: str, signature: str, cuts: list[int]) -> None:
    said = start() + thinking_block(thought, signature=signature) + text_block("x", index=1) + finish()
    marks = [0, *sorted(min(cut, len(said)) for cut in cuts), len(said)]

    told = joined(decode(said[a:b] for a, b in pairwise(marks)))

    thoughts = [event for event in told if isinstance(event, ReasoningDelta)]
    assert "".join(event.text for event in thoughts) == thought
    states = [json.loads(event.state.data) for event in thoughts if event.state]
    assert states == ([{"signature": signature}] if signature else [])


@given(st.dictionaries(st.text(max_size=5), st.none() | st.text(max_size=5) | st.integers(), max_size=3), st.data())
def test_any_arguments_in_any_pieces(arguments: dict[str, object], data: st.DataObject) -> None:
    written = json.dumps(arguments, ensure_ascii=False)
    marks = [0, *sorted(data.draw(st.lists(st.integers(0, len(written)), max_size=6))), len(written)]
    pieces = [written[a:b] for a, b in pairwise(marks)]

    told = decode([start() + tool_block("toolu_1", "disks", *pieces) + finish("tool_use")])

    assert told[0] == ToolCall("toolu_1", "disks", written)


def test_neighbours_of_one_piece_are_joined_and_blocks_kept_apart() -> None:
    burst = thinking_block("a", "b", signature="s") + text_block("c", "d", index=1) + text_block("e", index=2)

    assert decode([start() + burst + finish()])[:-1] == [ReasoningDelta("ab", signed("s")), TextDelta("cde")]


def test_an_empty_piece_of_text_among_others_says_nothing() -> None:
    assert decode([start() + text_block("a", "", "b") + finish()])[:-1] == [TextDelta("ab")]


def test_blocks_may_overlap() -> None:
    said = begin(0, "tool_use", id="toolu_a", name="disks", input={}) + begin(
        1, "tool_use", id="toolu_b", name="disks", input={}
    )
    said += delta(1, "input_json_delta", partial_json='{"b":1}') + delta(0, "input_json_delta", partial_json='{"a":1}')

    assert decode([start() + said + end(0) + end(1) + finish("tool_use")])[:-1] == [
        ToolCall("toolu_a", "disks", '{"a":1}'),
        ToolCall("toolu_b", "disks", '{"b":1}'),
    ]


def test_arguments_may_come_with_the_beginning_of_the_call() -> None:
    whole = begin(0, "tool_use", id="toolu_1", name="query", input={"sql": "SELECT 1"}) + end(0)

    assert decode([start() + whole + finish("tool_use")])[0] == ToolCall("toolu_1", "query", '{"sql":"SELECT 1"}')


def test_a_signature_may_come_in_pieces() -> None:
    said = begin(0, "thinking", thinking="") + delta(0, "signature_delta", signature="ab")
    said += delta(0, "signature_delta", signature="cd") + end(0)

    assert decode([start() + said + text_block("x", index=1) + finish()])[0] == ReasoningDelta("", signed("abcd"))


def test_a_thought_without_a_signature_is_told_and_not_wanted_back() -> None:
    assert decode([start() + thinking_block("hm", signature="") + text_block("x", index=1) + finish()])[:-1] == [
        ReasoningDelta("hm"),
        TextDelta("x"),
    ]


def test_an_id_that_is_taken_in_the_conversation_is_not_used_again() -> None:
    before = ModelRequest(
        model="m",
        messages=(
            ChatMessage(Role.ASSISTANT, (ToolCallPart("toolu_1", "disks", "{}"),)),
            ChatMessage(Role.USER, (ToolResultPart("toolu_1", "disks", "full"),)),
        ),
    )

    (call, _finished) = decode([start() + tool_block("toolu_1", "disks", "{}") + finish("tool_use")], before)

    assert isinstance(call, ToolCall)
    assert call.id != "toolu_1"


@pytest.mark.parametrize(
    "unknown",
    [
        pytest.param(event({"type": "something_new", "index": 0, "delta": {"type": "x"}}), id="event"),
        pytest.param(begin(7, "web_search_tool_result", content=[]) + end(7), id="block"),
        pytest.param(
            begin(7, "server_tool_use", id="srvtoolu_1", name="web_search", input={}) + end(7), id="their tool"
        ),
        pytest.param(delta(7, "input_json_delta", partial_json='{"q"'), id="arguments of their tool"),
        pytest.param(delta(0, "citations_delta", citation={"type": "page_location"}), id="delta"),
        pytest.param(end(9), id="end of nothing"),
        pytest.param(b"event: ping\n\n: comment\n\nretry: 3\n\n", id="no data"),
    ],
)
def test_what_is_not_known_is_passed_over(unknown: bytes) -> None:
    said = start() + begin(0, "text", text="") + text("Hi") + unknown + end(0) + finish()

    assert decode([said]) == [TextDelta("Hi"), Finished(FinishReason.STOP, Usage(11, 7))]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("end_turn", FinishReason.STOP),
        ("stop_sequence", FinishReason.STOP),
        ("something_new", FinishReason.STOP),
        ("max_tokens", FinishReason.LENGTH),
        ("model_context_window_exceeded", FinishReason.LENGTH),
        ("pause_turn", FinishReason.LENGTH),
        (None, FinishReason.STOP),
    ],
)
def test_why_it_ended(reason: str | None, expected: FinishReason) -> None:
    assert decode([start() + text_block("Hi") + finish(reason)])[-1] == Finished(expected, Usage(11, 7))


def test_a_whole_call_counts_more_than_the_reason_given() -> None:
    events = decode([start() + tool_block("toolu_1", "disks", "{}") + finish("end_turn")])

    assert events[-1] == Finished(FinishReason.TOOL_CALLS, Usage(11, 7))


def test_nothing_to_say_is_an_answer() -> None:
    assert decode([start() + finish("end_turn", output_tokens=2)]) == [Finished(FinishReason.STOP, Usage(11, 2))]


def test_counts_are_sums_so_far_of_which_the_last_counts() -> None:
    usage = {"input_tokens": 30, "cache_read_input_tokens": None, "output_tokens": 5}
    more = event({"type": "message_delta", "delta": {}, "usage": usage})

    events = decode([start(10, read=4) + text_block("Hi") + more + finish(output_tokens=9)])

    assert events[-1] == Finished(FinishReason.STOP, Usage(34, 9))


@pytest.mark.parametrize("tokens", [-1, 2**31])
def test_a_number_of_tokens_that_cannot_be_one_is_not_told(tokens: int) -> None:
    events = decode([start() + text_block("Hi") + finish(output_tokens=tokens)])

    assert events[-1] == Finished(FinishReason.STOP, None)


@pytest.mark.parametrize(
    ("stream", "failure"),
    [
        pytest.param(b"", ProviderFailure.PROTOCOL, id="nothing at all"),
        pytest.param(start() + STOP, ProviderFailure.PROTOCOL, id="an end and nothing before it"),
        pytest.param(start() + text("Hi"), ProviderFailure.PROTOCOL, id="cut off"),
        pytest.param(
            start() + b'event: content_block_delta\ndata: {"ty', ProviderFailure.PROTOCOL, id="cut in an event"
        ),
        pytest.param(b"<html>Welcome to nginx</html>", ProviderFailure.PROTOCOL, id="a web page"),
        pytest.param(
            b'data: {"type":"error","error":{"type":"overloaded_error"}}\n\n', ProviderFailure.OVERLOADED, id="no name"
        ),
        pytest.param(b"data: {nonsense}\n\n", ProviderFailure.PROTOCOL, id="not JSON"),
        pytest.param(b"data: [1]\n\n", ProviderFailure.PROTOCOL, id="not an object"),
        pytest.param(b'data: {"type":"\xff"}\n\n', ProviderFailure.PROTOCOL, id="not UTF-8"),
        pytest.param(delta(0, "text_delta", text=5), ProviderFailure.PROTOCOL, id="a number for text"),
        pytest.param(
            start() + tool_block("toolu_1", "query", '{"sql": "SEL') + finish("max_tokens"),
            ProviderFailure.PROTOCOL,
            id="arguments cut off",
        ),
        pytest.param(
            start() + tool_block("toolu_1", "query", "[1]") + finish("tool_use"),
            ProviderFailure.PROTOCOL,
            id="arguments that are a list",
        ),
        pytest.param(
            start() + tool_block("toolu_1", "query") + finish("tool_use"),
            ProviderFailure.PROTOCOL,
            id="no arguments where some are required",
        ),
        pytest.param(
            start() + begin(0, "tool_use", id="toolu_1", name="disks", input={}) + finish("tool_use"),
            ProviderFailure.PROTOCOL,
            id="a call without an end",
        ),
        pytest.param(
            start() + text_block("I") + finish("refusal", stop_details={"type": "refusal", "category": "cyber"}),
            ProviderFailure.CONTENT_FILTER,
            id="refusal",
        ),
        pytest.param(
            start() + finish("model_context_window_exceeded"),
            ProviderFailure.CONTEXT_LENGTH,
            id="no room for an answer",
        ),
        pytest.param(error_event("overloaded_error"), ProviderFailure.OVERLOADED, id="overloaded"),
        pytest.param(error_event("rate_limit_error"), ProviderFailure.RATE_LIMITED, id="rate limit"),
        pytest.param(error_event("api_error"), ProviderFailure.UNAVAILABLE, id="their fault"),
        pytest.param(error_event("timeout_error"), ProviderFailure.TIMEOUT, id="their timeout"),
        pytest.param(error_event("something_new"), ProviderFailure.UNAVAILABLE, id="unknown error"),
        pytest.param(event({"type": "error"}), ProviderFailure.UNAVAILABLE, id="an error without words"),
        pytest.param(event({"message": "no"}, name="error"), ProviderFailure.UNAVAILABLE, id="an error by name"),
    ],
)
def test_fails_with(stream: bytes, failure: ProviderFailure) -> None:
    with pytest.raises(ProviderError) as caught:
        decode([stream])

    assert caught.value.failure is failure


def test_arguments_without_end_are_not_collected() -> None:
    endless = delta(0, "input_json_delta", partial_json="x" * 65536)

    with pytest.raises(ProviderError, match=r"protocol: .*do not end"):
        decode([start() + begin(0, "tool_use", id="a", name="disks", input={}), *[endless] * 100])


def test_what_was_said_before_an_error_is_told_before_it() -> None:
    decoder = AnswerDecoder(QUESTION, Scrubber(None))
    events = iter(decoder.feed(text("Half an") + text(" answer") + error_event("overloaded_error", "gone")))

    assert next(events) == TextDelta("Half an answer")
    with pytest.raises(ProviderError, match="gone"):
        next(events)


def test_half_a_character_is_replaced_and_no_answer_lost_for_it() -> None:
    said = (
        start()
        + text_block("hi HALF")
        + tool_block("toolu_1", "query", '{"sql": "\\ud83d"}', index=1)
        + finish("tool_use")
    )

    assert decode([said.replace(b"HALF", rb"\ud83d")])[:-1] == [
        TextDelta("hi \N{REPLACEMENT CHARACTER}"),
        ToolCall("toolu_1", "query", '{"sql": "\\ufffd"}'),
    ]
