"""What is said in an answer, as readers hear it and as it is kept."""

from __future__ import annotations

import pytest

from aichat_backend.chat.draft import Draft
from aichat_backend.chat.parts import text_of
from aichat_backend.chat.speech import Speech
from aichat_backend.providers.base import ReasoningDelta, TextDelta
from aichat_backend.streams.log import EventLog
from fakes.messages import call, result
from fakes.reading import events_of


@pytest.fixture
def draft() -> Draft:
    return Draft()


@pytest.fixture
def log() -> EventLog:
    return EventLog()


@pytest.fixture
def speech(draft: Draft, log: EventLog) -> Speech:
    return Speech(draft, log, "s")


def heard(log: EventLog) -> list[tuple[str, str]]:
    return [(event.data["type"], event.data["content"]) for event in events_of(log.after(0))]


def test_every_piece_is_told_and_kept_as_it_is(speech: Speech, draft: Draft, log: EventLog) -> None:
    speech.begin_paragraph()
    for delta in (ReasoningDelta("hm"), TextDelta(" All "), TextDelta("is well.")):
        speech.say(delta)

    assert heard(log) == [("reasoning", "hm"), ("message", " All "), ("message", "is well.")]
    assert text_of(draft.parts()) == " All is well."


def test_what_is_said_after_tools_is_a_paragraph_though_the_model_thinks_first(
    speech: Speech, draft: Draft, log: EventLog
) -> None:
    speech.say(TextDelta("I look."))
    draft.append(call("a"))
    draft.append(result("a"))
    speech.begin_paragraph()
    for delta in (ReasoningDelta("hm"), TextDelta("\nIt is"), TextDelta(" well.")):
        speech.say(delta)

    assert heard(log)[1:] == [("reasoning", "hm"), ("message", "\n\nIt is"), ("message", " well.")]


@pytest.mark.parametrize("called", [True, False])
def test_a_last_word_is_apart_from_whatever_was_said(
    speech: Speech, draft: Draft, log: EventLog, *, called: bool
) -> None:
    speech.say(TextDelta("I look."))
    if called:
        draft.append(call("a"))
        draft.append(result("a"))

    speech.close("*Stop.*")

    assert heard(log)[-1] == ("message", "\n\n*Stop.*")


def test_a_last_word_may_be_the_first(speech: Speech, draft: Draft, log: EventLog) -> None:
    draft.append(call("a"))
    draft.append(result("a"))

    speech.close("*Stop.*")

    assert heard(log) == [("message", "*Stop.*")]
