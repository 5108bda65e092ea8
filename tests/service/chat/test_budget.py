"""What of a conversation fits."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat_backend.chat.budget import fitted, fitting, room_for_messages
from aichat_backend.chat.estimates import estimated_usage
from aichat_backend.chat.parts import ChatMessage, Part, Role, TextPart, ToolResultPart
from aichat_backend.chat.transcript import Step, transcript
from aichat_backend.providers.base import ModelRequest, ToolSpec
from fakes.messages import approval, assistant, call, file, result, user


def turn(words: int) -> list[Step]:
    return transcript([user("word " * words), assistant(call("a"), result("a", "word " * words), "So.")])


@given(st.lists(st.integers(1, 200), min_size=1, max_size=6), st.integers(0, 2000))
def test_whole_turns_are_left_out_and_the_last_one_never(sizes: list[int], tokens: int) -> None:
    steps = [step for size in sizes for step in turn(size)]

    kept = fitting(steps, tokens)

    last = len(turn(1))
    assert list(kept[:-last]) == steps[len(steps) - len(kept) : -last]
    assert kept[-last] == steps[-last]
    assert len(kept) % last == 0


def test_what_is_sent_grows_with_the_budget() -> None:
    steps = [step for _ in range(5) for step in turn(50)]

    kept = [len(fitting(steps, tokens)) for tokens in (0, 400, 700, 100_000)]

    assert kept == sorted(kept)
    assert kept[0] < kept[1] < kept[2] < kept[-1] == len(steps)


def test_pictures_and_files_count() -> None:
    asked = transcript([user("See.", file("a.png", "image/png", 10_000_000))])
    documents = transcript([user("Read.", file("a.txt", size=400_000))])
    last = [Step(Role.ASSISTANT, (TextPart("Yes."),)), *transcript([user("And now?")])]

    assert len(fitting([*asked, *last], 1_000)) == 1
    assert len(fitting([*asked, *last], 2_000)) == 3
    assert len(fitting([*documents, *last], 10_000)) == 1
    assert len(fitting([*documents, *last], 60_000)) == 3


def test_the_results_of_a_turn_that_alone_is_too_large_are_shortened_the_oldest_first() -> None:
    said: list[Part] = []
    for number in range(3):
        said += [call(f"c{number}"), result(f"c{number}", f"begin {number} {'word ' * 800} end")]
    steps = transcript([user("Why?")], said)

    kept = fitting(steps, 1_900)

    texts = [part.text for step in kept for part in step.parts if isinstance(part, ToolResultPart)]
    assert all(text.startswith(f"begin {number} ") and text.endswith(" end") for number, text in enumerate(texts))
    assert len(texts[0]) < 300
    assert len(texts[0]) < len(texts[1]) < len(texts[2])
    assert "no room" in texts[0]
    assert "no room" not in texts[2], "the model has just asked for it"
    assert tokens(kept) <= 1_950


def tokens(steps: Sequence[Step]) -> int:
    messages = tuple(ChatMessage(step.role, (part,)) for step in steps for part in step.parts)  # type: ignore[arg-type]
    return estimated_usage(ModelRequest(model="m", messages=messages), ()).input_tokens


def test_a_conversation_does_not_begin_with_results_whose_calls_are_left_out() -> None:
    steps = transcript([user("word " * 500), approval(call("a")), user("Never mind. Why?")])

    (kept,) = fitting(steps, 100)

    assert kept.parts == (TextPart("Never mind. Why?"),)


def test_instructions_tools_and_the_answer_have_their_room() -> None:
    tool = ToolSpec("query", "word " * 400, {"type": "object"})

    bare = room_for_messages(8_000, system=None, tools=(), max_tokens=1_000)
    instructed = room_for_messages(8_000, system="word " * 400, tools=(), max_tokens=1_000)
    equipped = room_for_messages(8_000, system=None, tools=(tool, tool), max_tokens=1_000)

    assert 6_990 <= bare <= 7_000
    assert 490 <= bare - instructed <= 510
    assert 1_000 <= bare - equipped <= 1_050


@pytest.mark.parametrize(("longest", "room"), [(None, 6_000), (1_000, 7_000), (64_000, 6_000)])
def test_an_answer_has_what_it_may_need_and_a_quarter_at_most(longest: int | None, room: int) -> None:
    assert room - 5 <= room_for_messages(8_000, system=None, tools=(), max_tokens=longest) <= room


def test_a_request_is_made_to_fit_a_smaller_context() -> None:
    messages = tuple(
        ChatMessage(step.role, step.parts, step.opens_turn)  # type: ignore[arg-type]
        for step in [*turn(400), *turn(400), *turn(2)]
    )
    request = ModelRequest(model="m", system="word " * 100, messages=messages)

    assert fitted(request, 100_000) == request
    assert fitted(request, 2_500).messages == messages[4:]
    assert fitted(request, 1_000).messages == messages[8:]
