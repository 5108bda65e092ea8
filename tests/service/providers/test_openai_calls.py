"""Tool calls are the same in whatever pieces servers send them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat_backend.chat.parts import ChatMessage, ProviderState, Role, TextPart, ToolCallPart
from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.base import ModelRequest, ToolCall, ToolSpec
from aichat_backend.providers.openai_calls import CallAssembler, CallDelta, FunctionDelta
from fakes.asking import question

ONE, TWO = '{"q": "one"}', '{"q": "two"}'


def delta(
    arguments: str | dict[str, object] | None = None,
    *,
    name: str | None = None,
    id: str | None = None,  # noqa: A002 - as it is called there
    index: int | None = None,
) -> CallDelta:
    return CallDelta(index, id, FunctionDelta(name, arguments))


def assembled(deltas: Iterable[CallDelta], request: ModelRequest | None = None) -> list[ToolCall]:
    assembler = CallAssembler()
    for piece in deltas:
        assembler.add(piece)
    return list(assembler.calls(request or question(), None))


def told(deltas: Iterable[CallDelta]) -> list[tuple[str, str]]:
    return [(call.name, call.arguments) for call in assembled(deltas)]


BOTH = [("f", ONE), ("g", TWO)]
SAME = [("f", ONE), ("f", TWO)]


@pytest.mark.parametrize(
    ("deltas", "calls"),
    [
        pytest.param(
            [
                delta("", name="f", id="a", index=0),
                delta('{"q": ', index=0),
                delta("", name="g", id="b", index=1),
                delta('"one"}', index=0),
                delta(TWO, index=1),
            ],
            BOTH,
            id="OpenAI, one within the other",
        ),
        pytest.param([delta(ONE, name="f", id="a"), delta(TWO, name="g", id="b")], BOTH, id="whole, no index"),
        pytest.param(
            [delta(ONE, name="f", id="a", index=0), delta(TWO, name="g", id="b", index=0)], BOTH, id="one index for all"
        ),
        pytest.param(
            [delta(ONE, name="f", id="a", index=0), delta(TWO, name="f", id="b", index=0)],
            SAME,
            id="one index for all, the same tool twice",
        ),
        pytest.param(
            [delta(ONE, name="f", id="", index=0), delta(TWO, name="f", id="", index=0)],
            SAME,
            id="one index for all, empty ids",
        ),
        pytest.param([delta(ONE, name="f"), delta(TWO, name="f")], SAME, id="neither index nor id"),
        pytest.param(
            [delta('{"q":', name="f", id="a"), delta('"one"}'), delta('{"q":', name="g", id="b"), delta('"two"}')],
            [("f", '{"q":"one"}'), ("g", '{"q":"two"}')],
            id="only the first piece has an id",
        ),
        pytest.param(
            [
                delta('{"q": ', name="f", id="a"),
                delta(TWO, name="g", id="b"),
                delta('"one"}', id="a"),
            ],
            BOTH,
            id="ids alone, one within the other",
        ),
        pytest.param(
            [delta('{"q": ', name="f", id="a", index=0), delta('"one"}', id="other", index=0)],
            [("f", ONE)],
            id="a new id with every piece",
        ),
        pytest.param(
            [delta('{"q": ', name="f", id="a", index=0), delta('"one"}', name="f", id="a", index=0)],
            [("f", ONE)],
            id="id and name repeated",
        ),
        pytest.param(
            [delta("", name="f", index=0), delta(ONE, name="f", index=0)], [("f", ONE)], id="the name repeated, no id"
        ),
        pytest.param([delta("", id="a"), delta(ONE, name="f", id="a")], [("f", ONE)], id="the name comes later"),
        pytest.param([delta({"q": "one"}, name="f")], [("f", '{"q":"one"}')], id="the object itself"),
        pytest.param(
            [delta("", name="list", index=0), delta("", name="check", index=0)],
            [("list", "{}"), ("check", "{}")],
            id="two without arguments, one index",
        ),
        pytest.param(
            [delta(ONE, name="f", id="a", index=3), delta(TWO, name="g", id="b", index=1)],
            BOTH,
            id="in the order in which they began",
        ),
    ],
)
def test_pieces_find_their_calls(deltas: list[CallDelta], calls: list[tuple[str, str]]) -> None:
    request = ModelRequest(
        model="m",
        messages=question().messages,
        tools=(ToolSpec("list", "", {}), ToolSpec("check", "", {"properties": {"all": {}}})),
    )
    assert [(call.name, call.arguments) for call in assembled(deltas, request)] == calls


ARGUMENTS = st.dictionaries(
    st.text(max_size=5), st.none() | st.integers(-9, 9) | st.text(max_size=8), min_size=1, max_size=3
)
NAMES = st.sampled_from(["list_services", "query", "check"])


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[tuple[str, str]], list[CallDelta]]:
    """Calls, and pieces of them: each call's in order, the calls mixed as their indexes allow."""
    calls = [
        (name, json.dumps(arguments)) for name, arguments in draw(st.lists(st.tuples(NAMES, ARGUMENTS), max_size=4))
    ]
    waiting = []
    for index, (name, arguments) in enumerate(calls):
        cuts = sorted(draw(st.lists(st.integers(0, len(arguments)), max_size=5)))
        pieces = [arguments[start:end] for start, end in pairwise([0, *cuts, len(arguments)])]
        first = [delta(pieces[0], name=name, id=f"id-{index}", index=index)]
        waiting.append(first + [delta(piece, index=index) for piece in pieces[1:]])
    mixed = [pieces.pop(0) for pieces in waiting]
    while any(waiting):
        mixed.append(draw(st.sampled_from([pieces for pieces in waiting if pieces])).pop(0))
    return calls, mixed


@given(streams())
def test_an_index_is_honoured_however_calls_are_mixed(case: tuple[list[tuple[str, str]], list[CallDelta]]) -> None:
    calls, deltas = case
    assert told(deltas) == calls


@pytest.mark.parametrize("arguments", ['{"q": "o', "[1]", '"text"', "null", "{} {}", '{"a":' * 5000, " "])
def test_arguments_that_are_no_whole_object_are_an_error_that_does_not_show_them(arguments: str) -> None:
    with pytest.raises(ProviderError) as caught:
        assembled([delta(arguments, name="f")])

    assert caught.value.failure is ProviderFailure.PROTOCOL
    assert caught.value.detail == "the arguments of a call of 'f' are not a whole JSON object"


def test_half_a_character_in_arguments_is_replaced_before_anybody_sees_them() -> None:
    (called,) = assembled([delta('{"a": "\\ud800"}', name="f")])

    assert json.loads(called.arguments) == {"a": "\N{REPLACEMENT CHARACTER}"}


def test_no_arguments_mean_none_where_the_tool_requires_none() -> None:
    needy = ToolSpec("needy", "", {"type": "object", "properties": {"a": {}}, "required": ["a"]})
    free = ToolSpec("free", "", {"type": "object", "properties": {"a": {}}})
    request = ModelRequest(model="m", messages=question().messages, tools=(needy, free))

    assert [call.arguments for call in assembled([delta(None, name="free")], request)] == ["{}"]
    with pytest.raises(ProviderError, match="'needy'"):
        assembled([delta("", name="needy")], request)
    with pytest.raises(ProviderError, match="'unknown'"):
        assembled([delta("", name="unknown")], request)


def test_a_call_of_nothing_is_an_error() -> None:
    with pytest.raises(ProviderError, match="without naming it"):
        assembled([delta("{}", id="a")])


def test_nothing_is_told_when_one_of_the_calls_is_broken() -> None:
    assembler = CallAssembler()
    assembler.add(delta("{}", name="f", id="a"))
    assembler.add(delta("{", name="g", id="b"))

    with pytest.raises(ProviderError):
        next(assembler.calls(question(), None))


@pytest.mark.parametrize("given", [None, "", "functions.f:0", "a,b", "x" * 41, "taken", "ü"])
def test_an_id_that_is_missing_taken_or_not_usable_is_replaced(given: str | None) -> None:
    request = ModelRequest(
        model="m",
        messages=(
            ChatMessage(Role.USER, (TextPart("?"),)),
            ChatMessage(Role.ASSISTANT, (ToolCallPart("taken", "f", "{}"),)),
        ),
    )
    (call,) = assembled([delta("{}", name="f", id=given)], request)

    assert call.id != given
    assert len(call.id) == 9
    assert call.id.isalnum()


def test_the_servers_id_is_kept_and_given_only_once() -> None:
    deltas = [delta("{}", name="f", id="call_1-A", index=0), delta("{}", name="f", id="call_1-A", index=1)]
    first, second = assembled(deltas)

    assert first.id == "call_1-A"
    assert second.id != first.id


def test_the_first_call_carries_the_state() -> None:
    assembler = CallAssembler()
    for index in range(2):
        assembler.add(delta("{}", name="f", index=index))
    state = ProviderState("openai", "thoughts")

    assert [call.state for call in assembler.calls(question(), state)] == [state, None]
