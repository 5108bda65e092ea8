"""An answer in the making keeps what came, in its order."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from aichat_backend.chat.draft import Draft, unanswered_calls
from aichat_backend.chat.parts import ProviderState, ReasoningPart, TextPart, ToolCallPart, ToolResultPart, Usage
from aichat_backend.providers.base import ReasoningDelta, TextDelta
from fakes.messages import call, result

STATE = ProviderState("p", "signed")
DELTAS = st.builds(TextDelta, st.text(min_size=1, max_size=5)) | st.builds(
    ReasoningDelta, st.text(min_size=1, max_size=5)
)


@given(st.lists(DELTAS, max_size=12))
def test_neighbours_of_a_kind_are_one_part_and_no_letter_is_lost(deltas: list[TextDelta | ReasoningDelta]) -> None:
    draft = Draft()
    for delta in deltas:
        draft.add(delta)

    parts = draft.parts()
    assert "".join(part.text for part in parts if isinstance(part, TextPart | ReasoningPart)) == "".join(
        delta.text for delta in deltas
    )
    assert all(type(one) is not type(other) for one, other in pairwise(parts))
    assert draft.has_text == any(isinstance(delta, TextDelta) and delta.text.strip() for delta in deltas)


def test_a_state_ends_its_part_and_stays_with_it() -> None:
    draft = Draft()
    for delta in (ReasoningDelta("I "), ReasoningDelta("think", STATE), ReasoningDelta("more"), TextDelta("", STATE)):
        draft.add(delta)

    assert draft.parts() == (ReasoningPart("I think", STATE), ReasoningPart("more"), TextPart("", STATE))
    assert not draft.has_text


def test_calls_and_results_stand_where_they_came() -> None:
    draft = Draft()
    draft.add(TextDelta("I look."))
    draft.append(call("a"))
    draft.append(result("a"))
    draft.add(TextDelta("Done."))

    assert [type(part) for part in draft.parts()] == [TextPart, ToolCallPart, ToolResultPart, TextPart]


def test_a_draft_is_worth_keeping_once_it_has_text_or_tools() -> None:
    draft = Draft()
    assert not draft
    draft.add(ReasoningDelta("hm"))
    draft.add(TextDelta(" "))
    assert not draft
    draft.append(call("a"))
    assert draft


def test_the_costs_of_all_calls_are_added_up() -> None:
    draft = Draft()
    draft.count(Usage(1, 2))
    draft.count(Usage(10, 20), "other")
    assert (draft.usage, draft.model) == (Usage(11, 22), "other")

    draft.count(Usage(100, 200, estimated=True))
    draft.count(Usage(1, 1))
    assert (draft.usage, draft.model) == (Usage(112, 223, estimated=True), "other")


def test_unanswered_calls_are_those_without_a_result() -> None:
    assert unanswered_calls([call("a"), call("b"), result("a")]) == (call("b"),)
