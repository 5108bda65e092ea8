"""Pieces of texts around what was found, with marks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aichat_backend.storage.snippets import marked_snippet
from aichat_backend.storage.words import words_of

TEXTS = st.text(st.sampled_from("aAbß東京🐢 \n.") | st.characters(), max_size=400)


def utf16(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")


def test_a_short_text_is_shown_whole() -> None:
    assert marked_snippet("Why\nis it slow?", ["slo", "wh"]) == ("Why is it slow?", ((0, 3), (10, 14)))


def test_a_long_text_is_cut_at_words_around_most_of_what_is_wanted() -> None:
    text = "An index. " + "Some words in between. " * 20 + "Then the index is missing. " + "And more. " * 30

    snippet, marks = marked_snippet(text, ["index", "missing"])

    assert snippet.startswith("…Some words in between. Then the index is missing. And more.")
    assert snippet.endswith("…")
    assert [snippet[start:end] for start, end in marks] == ["index", "missing"]


def test_pairs_that_overlap_are_one_mark() -> None:
    assert marked_snippet("在東京都で", ["東京", "京都"]) == ("在東京都で", ((1, 4),))


def test_places_count_as_javascript_does() -> None:
    snippet, ((start, end),) = marked_snippet("🐢🐢 slow", ["slow"])

    assert (start, end) == (5, 9)
    assert utf16(snippet)[2 * start : 2 * end].decode("utf-16-le") == "slow"


@given(TEXTS, TEXTS)
def test_marks_are_apart_in_order_and_on_what_was_wanted(text: str, query: str) -> None:
    wanted = tuple(dict.fromkeys([*words_of(query), *list(words_of(text))[-1:]]))

    snippet, marks = marked_snippet(text, wanted)

    ends = 0
    for start, end in marks:
        assert ends <= start < end
        marked = utf16(snippet)[2 * start : 2 * end].decode("utf-16-le", "surrogatepass")
        assert any(word.startswith(wanted) for word in words_of(marked))
        ends = end + 1
    assert bool(marks) == bool(wanted and any(word.startswith(wanted) for word in words_of(text)))
    assert len(snippet) <= 163 or len(text) > 400
