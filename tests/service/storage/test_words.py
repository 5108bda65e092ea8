"""What counts as a word, and where in its text it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat_backend.storage.words import indexed_words, placed_words, wanted_words, words_of

TEXTS = (
    st.text()
    | st.text(st.characters(codec="ascii"))
    | st.text(st.characters(categories=["Lo", "Lm", "Mn", "Mc", "Nd", "So", "Sk"]))
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Why is it SLOW?", ["why", "is", "it", "slow"]),
        ("innodb_buffer_pool_size=8G", ["innodb", "buffer", "pool", "size", "8g"]),
        ("Straße ﬃ", ["strasse", "ffi"]),
        ("हिन्दी", ["हिन्दी"]),
        ("東京都です ok", ["東京", "京都", "都で", "です", "す", "ok"]),
        ("🐢🐢", ["🐢", "🐢"]),
        ("x" * 100, ["x" * 64]),
        ("_ %\0\ud83d\N{COMBINING ACUTE ACCENT}", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert list(words_of(text)) == words


@pytest.mark.parametrize(
    ("query", "wanted"), [("a B a", ("a", "b")), ("東京都", ("東京", "京都")), ("東", ("東",)), ("!", ())]
)
def test_what_a_query_wants(query: str, wanted: tuple[str, ...]) -> None:
    assert wanted_words(query) == wanted


@given(TEXTS)
def test_the_words_with_places_are_the_words(text: str) -> None:
    assert [word.text for word in placed_words(text)] == list(words_of(text))


@given(TEXTS)
def test_a_word_is_what_its_place_has(text: str) -> None:
    for word in placed_words(text):
        assert word.text in list(words_of(text[word.start : word.end]))


@given(TEXTS, st.data())
def test_every_beginning_of_a_word_is_found(text: str, data: st.DataObject) -> None:
    words = list(words_of(text))
    start = data.draw(st.integers(0, len(words)))
    pieces = [word[: data.draw(st.integers(1, len(word)))] for word in words[start : start + 3]]

    for wanted in wanted_words(" ".join(pieces)):
        assert any(word.startswith(wanted) for word in words), (wanted, words)


@given(TEXTS, st.integers(0, 10), st.integers(1, 10))
def test_a_piece_of_unspaced_text_is_found(text: str, start: int, length: int) -> None:
    whole = "".join(character for character in text if "\u3041" <= character <= "\u3096") + "ひらがな"
    words = list(words_of(whole))

    for wanted in wanted_words(whole[start % len(whole) :][:length]):
        assert any(word.startswith(wanted) for word in words)


@given(TEXTS)
def test_what_is_indexed_is_each_word_once_with_its_owner(text: str) -> None:
    indexed = indexed_words("7", text).split()

    assert indexed == [f"7:{word}" for word in dict.fromkeys(words_of(text))]


@pytest.mark.parametrize("letter", ["q", "क", "\N{DESERET SMALL LETTER LONG I}"])
def test_what_is_indexed_of_a_long_text_is_no_more_than_postgresql_can_tell_apart(letter: str) -> None:
    text = " ".join(f"{number:05}{letter * 50}" for number in range(20_000))

    assert 900_000 < len(indexed_words("7", text).encode()) < 2**20
