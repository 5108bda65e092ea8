"""What OpenAI's chunks mean, without a network."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat_backend.chat.parts import Usage
from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.base import Event, Finished, FinishReason, ReasoningDelta, TextDelta, ToolCall
from aichat_backend.providers.failures import Scrubber
from aichat_backend.providers.openai_address import Address
from aichat_backend.providers.openai_answer import AnswerDecoder
from aichat_backend.providers.openai_thoughts import kept
from fakes.asking import question
from fakes.openai_wire import DONE, call, chunk, reasoning, sse, text, usage

COMPATIBLE = Address("https://api.deepseek.com/v1")
HALF = b'data: {"choices":[{"delta":{"content":"hi \\ud83d"}}]}\n\n'


def decode(pieces: Iterable[bytes], address: Address = COMPATIBLE) -> list[Event]:
    decoder = AnswerDecoder(question(), address, Scrubber(None))
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + list(decoder.end())


def spoken(events: list[Event]) -> tuple[str, str, Finished]:
    """The text, the reasoning and the end, however they were cut."""
    said = "".join(event.text for event in events if isinstance(event, TextDelta))
    thought = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    assert isinstance(events[-1], Finished)
    return said, thought, events[-1]


WHOLE = (
    chunk({"role": "assistant", "content": ""})
    + reasoning("hm…")
    + b": still here\r\n\r\n"
    + text("é→🙂")
    + text(" \\n\n")
    + chunk(finish="length")
    + usage(3, 4)
    + DONE
)
MEANING = ("é→🙂 \\n\n", "hm…", Finished(FinishReason.LENGTH, Usage(3, 4)))


def test_cut_in_two_anywhere() -> None:
    for offset in range(len(WHOLE)):
        assert spoken(decode([WHOLE[:offset], WHOLE[offset:]])) == MEANING, f"cut at {offset}"


@given(st.lists(st.integers(0, len(WHOLE)), max_size=30))
def test_cut_into_many(places: list[int]) -> None:
    marks = [0, *sorted(places), len(WHOLE)]
    assert spoken(decode(WHOLE[start:end] for start, end in pairwise(marks))) == MEANING


@given(
    st.lists(
        st.sampled_from(
            [
                text("It's "),
                text(""),
                chunk({"role": "assistant", "content": "I/O", "refusal": None, "tool_calls": None}),
                reasoning("hm"),
                chunk({"content": "no", "reasoning": "yes"}),
                chunk({"content": "", "refusal": "never"}),
                chunk({"content": None}),
                sse({"choices": [{"delta": {"content": "a"}}, {"delta": {"content": "b"}}]}),
                sse({"choices": [{"delta": {"content": "c"}}], "usage": {"prompt_tokens": 5, "completion_tokens": 6}}),
                chunk({"content": "end"}, finish="length"),
            ]
        )
    )
)
def test_what_comes_together_means_what_it_means_one_by_one(chunks: list[bytes]) -> None:
    end = [text("."), DONE]

    assert spoken(decode([b"".join(chunks), *end])) == spoken(decode([*chunks, *end]))


def test_neighbours_of_one_piece_are_joined_and_kinds_kept_apart() -> None:
    piece = reasoning("a") + reasoning("b", "reasoning") + text("c") + text("d") + reasoning("e") + chunk(finish="stop")

    assert decode([piece + DONE]) == [
        ReasoningDelta("ab"),
        TextDelta("cd"),
        ReasoningDelta("e"),
        Finished(FinishReason.STOP),
    ]


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(chunk(finish="stop"), id="no DONE"),
        pytest.param(b"data: [DONE]", id="no line end after DONE"),
        pytest.param(DONE, id="no finish_reason"),
        pytest.param(chunk(finish="stop") + DONE + text("never"), id="something after DONE"),
        pytest.param(chunk(finish="eos") + DONE, id="a finish_reason of its own"),
        pytest.param(sse({"choices": None}) + sse({}) + sse({"choices": [{"delta": None}]}) + DONE, id="nulls"),
    ],
)
def test_compatible_servers_may_be_sloppy(said: bytes) -> None:
    assert decode([text("Hi") + said]) == [TextDelta("Hi"), Finished(FinishReason.STOP)]


def test_an_event_without_data_says_nothing_wherever_the_network_cuts() -> None:
    stream = text("Hi") + b"data: \n\n" + text(" you") + b"data:\n\n" + chunk(finish="stop") + DONE

    for offset in range(len(stream)):
        pieces = [stream[:offset], stream[offset:]]
        assert spoken(decode(pieces)) == ("Hi you", "", Finished(FinishReason.STOP)), f"cut at {offset}"


def test_content_may_come_in_parts_of_text_and_of_thoughts() -> None:
    """As Mistral's reasoning models send it."""
    thoughts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}, {"type": "text", "text": "…"}]}]

    said = decode(
        [chunk({"content": thoughts}) + chunk({"content": [{"type": "text", "text": "Disks"}]}) + text(".") + DONE]
    )

    assert said == [ReasoningDelta("hm…"), TextDelta("Disks."), Finished(FinishReason.STOP)]


@pytest.mark.parametrize("together", [True, False])
def test_half_a_character_is_replaced_and_no_answer_lost_for_it(together: bool) -> None:
    halves = [chunk({"content": "whole"}), HALF, chunk({"content": "."}), DONE]

    said, _thought, finished = spoken(decode([b"".join(halves)] if together else halves))

    assert (said, finished.reason) == ("wholehi \N{REPLACEMENT CHARACTER}.", FinishReason.STOP)


def test_the_same_reasoning_under_both_names_is_told_once() -> None:
    both = chunk({"reasoning": "hm", "reasoning_content": "hm"})

    assert decode([both + chunk(finish="stop") + DONE])[0] == ReasoningDelta("hm")


def test_a_refusal_is_what_the_model_says() -> None:
    assert decode([chunk({"refusal": "I can't."}) + chunk(finish="stop") + DONE])[0] == TextDelta("I can't.")


def test_the_last_usage_counts() -> None:
    events = decode([text("Hi") + usage(1, 1) + usage(9, 5) + chunk(finish="stop") + DONE])

    assert events[-1] == Finished(FinishReason.STOP, Usage(9, 5))


def test_tokens_may_be_counted_in_fractions() -> None:
    events = decode([text("Hi") + usage(9.0, 4.5) + chunk(finish="stop") + DONE])

    assert events[-1] == Finished(FinishReason.STOP, Usage(9, 4))


@pytest.mark.parametrize("tokens", [-1, 2**31, 2**70, 1e300, True])
def test_a_number_of_tokens_that_cannot_be_one_is_not_told(tokens: Any) -> None:
    events = decode([text("Hi") + usage(9, tokens) + chunk(finish="stop") + DONE])

    assert events[-1] == Finished(FinishReason.STOP, None)


@pytest.mark.parametrize("reported", [None, 5, "much", [], {}, {"prompt_tokens": None}, {"prompt_tokens": "many"}])
def test_usage_of_any_shape_is_no_reason_to_fail(reported: object) -> None:
    events = decode([text("Hi") + sse({"usage": reported}) + chunk(finish="stop") + DONE])

    assert isinstance(events[-1], Finished)


CALLS = (
    chunk({"role": "assistant", "content": None})
    + reasoning("I must “look”…\n")
    + reasoning(" twice")
    + chunk({"tool_calls": [call(0, id="call_a", name="list_services", arguments="")]})
    + chunk({"tool_calls": [call(0, arguments='{"type": ')]})
    + chunk({"tool_calls": [call(1, id="call_b", name="query", arguments="")]})
    + chunk({"tool_calls": [call(0, arguments='"mysql"}'), call(1, arguments='{"q": "é→🙂"}')]})
    + chunk(finish="tool_calls")
    + usage(9, 4)
    + DONE
)
CALLED = [
    ToolCall("call_a", "list_services", '{"type": "mysql"}', kept("api.deepseek.com", "I must “look”…\n twice")),
    ToolCall("call_b", "query", '{"q": "é→🙂"}'),
    Finished(FinishReason.TOOL_CALLS, Usage(9, 4)),
]


def test_calls_are_whole_wherever_the_network_cuts() -> None:
    for offset in range(len(CALLS)):
        *thoughts, first, second, finished = decode([CALLS[:offset], CALLS[offset:]])
        assert [first, second, finished] == CALLED, f"cut at {offset}"
        assert (
            "".join(delta.text for delta in thoughts if isinstance(delta, ReasoningDelta)) == "I must “look”…\n twice"
        )


def test_openai_itself_gets_no_reasoning_back() -> None:
    *_, first, _, _ = decode([CALLS], Address())

    assert first == ToolCall("call_a", "list_services", '{"type": "mysql"}')


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(chunk(finish="tool_calls") + DONE, id="as it should be"),
        pytest.param(chunk(finish="stop") + DONE, id="stop"),
        pytest.param(chunk(finish="length") + DONE, id="whole before the limit"),
        pytest.param(chunk(finish="function_call") + DONE, id="the old name"),
        pytest.param(DONE, id="no reason"),
        pytest.param(chunk(finish="tool_calls"), id="no DONE"),
    ],
)
def test_whatever_the_reason_what_was_called_was_called(end: bytes) -> None:
    called = chunk({"tool_calls": [call(0, id="a", name="f", arguments="{}")]})

    assert decode([called + end]) == [ToolCall("a", "f", "{}"), Finished(FinishReason.TOOL_CALLS)]


def test_a_function_call_of_the_first_hour_is_a_call() -> None:
    pieces = [{"name": "f", "arguments": ""}, {"arguments": '{"q":'}, {"arguments": "1}"}]
    said = b"".join(chunk({"function_call": piece}) for piece in pieces)

    called, finished = decode([said + chunk(finish="function_call") + DONE])

    assert isinstance(called, ToolCall)
    assert (called.name, called.arguments) == ("f", '{"q":1}')
    assert finished == Finished(FinishReason.TOOL_CALLS)


@pytest.mark.parametrize("end", [chunk(finish="length") + DONE, chunk(finish="tool_calls") + DONE, DONE, b""])
def test_a_call_that_is_cut_off_is_never_one_without_arguments(end: bytes) -> None:
    half = chunk({"tool_calls": [call(0, id="a", name="f", arguments='{"q": "o')]})

    with pytest.raises(ProviderError, match="protocol"):
        decode([half + end])


@pytest.mark.parametrize(
    ("stream", "failure"),
    [
        pytest.param(b"", ProviderFailure.PROTOCOL, id="nothing at all"),
        pytest.param(DONE, ProviderFailure.PROTOCOL, id="nothing but DONE"),
        pytest.param(text("Hi"), ProviderFailure.PROTOCOL, id="cut off"),
        pytest.param(text("Hi") + b'data: {"choices":[{"del', ProviderFailure.PROTOCOL, id="cut off in a chunk"),
        pytest.param(b"<html>Welcome to nginx</html>", ProviderFailure.PROTOCOL, id="a web page"),
        pytest.param(b"data: {nonsense}\n\n", ProviderFailure.PROTOCOL, id="not JSON"),
        pytest.param(b"data: [1]\n\n", ProviderFailure.PROTOCOL, id="not an object"),
        pytest.param(b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n', ProviderFailure.PROTOCOL, id="not UTF-8"),
        pytest.param(chunk({"content": 5}), ProviderFailure.PROTOCOL, id="a number for text"),
        pytest.param(chunk(finish="tool_calls") + DONE, ProviderFailure.PROTOCOL, id="a call of nothing"),
        pytest.param(text("x") + chunk(finish="content_filter"), ProviderFailure.CONTENT_FILTER, id="content filter"),
        pytest.param(
            text("x") + chunk(finish="error") + DONE, ProviderFailure.UNAVAILABLE, id="an error as the reason"
        ),
        pytest.param(
            chunk(finish="insufficient_system_resource") + DONE, ProviderFailure.OVERLOADED, id="DeepSeek is overloaded"
        ),
        pytest.param(sse({"error": {"message": "no"}}), ProviderFailure.UNAVAILABLE, id="error object"),
        pytest.param(sse({"error": "no"}), ProviderFailure.UNAVAILABLE, id="error string"),
        pytest.param(sse({"error": {"message": "slow down", "code": 429}}), ProviderFailure.RATE_LIMITED, id="status"),
        pytest.param(
            sse({"error": {"message": "no", "code": "9" * 5000}}), ProviderFailure.UNAVAILABLE, id="no status"
        ),
        pytest.param(
            sse({"error": {"message": "no", "type": "overloaded_error"}}), ProviderFailure.OVERLOADED, id="error type"
        ),
        pytest.param(
            sse({"error": {"message": "no", "code": "context_length_exceeded"}}),
            ProviderFailure.CONTEXT_LENGTH,
            id="error code",
        ),
        pytest.param(
            b'event: error\ndata: {"message":"no","code":"rate_limit_exceeded"}\n\n',
            ProviderFailure.RATE_LIMITED,
            id="error event",
        ),
        pytest.param(b"event: error\ndata: out of order\n\n", ProviderFailure.UNAVAILABLE, id="error event, no JSON"),
        pytest.param(
            b'event: error\ndata: {"error":{"message":"no","code":"content_filter"}}\n\n',
            ProviderFailure.CONTENT_FILTER,
            id="error event around an error object",
        ),
    ],
)
def test_fails_with(stream: bytes, failure: ProviderFailure) -> None:
    with pytest.raises(ProviderError) as caught:
        decode([stream])

    assert caught.value.failure is failure


def test_a_line_without_end_is_not_understood() -> None:
    endless = (b"x" * 65536 for _ in range(100))

    with pytest.raises(ProviderError, match="protocol: more than"):
        decode(endless)


def test_what_was_said_before_an_error_is_told_before_it() -> None:
    decoder = AnswerDecoder(question(), Address(), Scrubber(None))
    events = decoder.feed(text("Half an") + text(" answer") + sse({"error": {"message": "gone"}}))

    assert next(events) == TextDelta("Half an answer")
    with pytest.raises(ProviderError, match="gone"):
        next(events)
