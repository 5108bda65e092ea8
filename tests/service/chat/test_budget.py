"""What of a conversation fits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aichat_backend.chat.budget import fitting
from aichat_backend.chat.parts import Role, TextPart
from aichat_backend.chat.transcript import Step, transcript
from fakes.messages import assistant, call, file, result, user


def turn(words: int) -> list[Step]:
    return transcript([user("word " * words), assistant(call("a"), result("a", "word " * words), "So.")])


@given(st.lists(st.integers(1, 200), min_size=1, max_size=6), st.integers(0, 2000))
def test_whole_turns_are_left_out_and_the_last_one_never(sizes: list[int], tokens: int) -> None:
    steps = [step for size in sizes for step in turn(size)]

    kept = fitting(steps, tokens)

    assert list(kept) == steps[len(steps) - len(kept) :]
    assert kept[0].opens_turn
    assert len(kept) >= len(turn(1))


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
