"""JSON of programs that cut text by UTF-16 can be read all the same."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from aichat_backend.chat.text import repaired
from aichat_backend.whole_characters import with_whole_characters

ANY_TEXT = st.text(st.characters(codec=None))
HALVES = st.text(st.sampled_from('a\\u"\ud83d\ude00é'))


@given(ANY_TEXT | HALVES)
def test_json_reads_as_the_text_repaired(text: str) -> None:
    assert json.loads(with_whole_characters(json.dumps(text).encode())) == repaired(text)


@given(st.text())
def test_json_without_halves_stays_as_it_is(text: str) -> None:
    for written in (json.dumps(text).encode(), json.dumps(text, ensure_ascii=False).encode()):
        assert with_whole_characters(written) == written


def test_halves_are_seen_in_either_case_of_letters() -> None:
    assert with_whole_characters(rb'"\uD83D \uDE00 \uD83D\uDE00 \\uD83D"') == rb'"\ufffd \ufffd \uD83D\uDE00 \\uD83D"'
