"""Text as searches see it: words, whatever their case and however their characters are put together.

Both databases index these words and nothing of their own making, so both find the same. Scripts that are written
without spaces have no words that one could tell without a dictionary: of those, each pair of characters is a word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import NamedTuple

from aichat_backend.storage.text import folded

LONGEST_WORD = 64
"""Characters by which words are told apart."""

MOST_WORDS_OF_A_QUERY = 32

_MOST_INDEXED = 1_000_000
"""Bytes of the distinct words of one text. PostgreSQL has room for 2**20: beyond, it says nothing and mixes them up."""

_UNSPACED = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e80-\u0edf"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17d3"  # Myanmar, Khmer
    "\u3005-\u3007\u3041-\u309f\u30a1-\u30ff\u31f0-\u31ff"  # Hiragana, Katakana
    "\u2e80-\u2fd5\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"  # Han
)
_PICTURES = "\u2600-\u27bf\U0001f300-\U0001faff"
_PIECE = re.compile(r"[0-9a-z\x80-\U0010ffff]+")
"""What stands between ASCII characters that are in no word; itself a word when all of it is ASCII."""
_GAPS = dict.fromkeys((number for number in range(0x80) if not _PIECE.match(chr(number))), " ")
_HANGUL_THAT_JOINS = range(0x1160, 0x1200)
_MARKS_ARE_AMONG = (range(0x300, 0x1F000), range(0xE0100, 0xE01F0))


class Word(NamedTuple):
    """A word of a text, and where in the text it is."""

    text: str
    start: int
    end: int


def words_of(text: str) -> Iterator[str]:
    """The words of a text, in their order."""
    return chain.from_iterable(map(_words_of_piece, _pieces(folded(text))))


def placed_words(text: str) -> Iterator[Word]:
    """The same words, each with its place."""
    shape, starts, ends = _shape(text)
    for start, end in _bounds(shape):
        yield Word(shape[start:end][:LONGEST_WORD], starts[start], ends[end - 1])


def wanted_words(query: str) -> tuple[str, ...]:
    """What a text has to have for a query to find it: a word that begins with each of these."""
    wanted = dict.fromkeys(words_of(query))
    pairs = [word for word in wanted if len(word) > 1 and _is_unspaced(word)]
    # What comes second in a pair begins a word wherever the pair is.
    implied = {pair[1] for pair in pairs}
    return tuple(word for word in wanted if word not in implied)[:MOST_WORDS_OF_A_QUERY]


def indexed_words(owner: str, text: str) -> str:
    """The words as they are indexed: each once, and each its owner's own, so that nobody's search meets another's."""
    room = _MOST_INDEXED
    kept = []
    # Each piece once before it is looked into: a long text says little that it has not said before.
    pieces = dict.fromkeys(_pieces(folded(text)))
    for word in dict.fromkeys(chain.from_iterable(map(_words_of_piece, pieces))):
        owned = owned_word(owner, word)
        room -= len(owned.encode()) + 1
        if room < 0:
            break
        kept.append(owned)
    return " ".join(kept)


def owned_word(owner: str, word: str) -> str:
    """The word as the index has it."""
    return f"{owner}:{word}"


def _pieces(shape: str) -> Sequence[str]:
    if shape.isascii():
        # The same in a third of the time.
        return shape.translate(_GAPS).split()
    return _PIECE.findall(shape)


def _words_of_piece(piece: str) -> Iterable[str]:
    if piece.isascii():
        return (piece[:LONGEST_WORD],)
    return (piece[start:end][:LONGEST_WORD] for start, end in _bounds(piece))


def _bounds(shape: str) -> Iterator[tuple[int, int]]:
    for found in _pattern().finditer(shape):
        if found.lastgroup == "unspaced":
            for start in range(found.start(), found.end()):
                yield start, min(start + 2, found.end())
        else:
            yield found.span()


def _is_unspaced(word: str) -> bool:
    found = _pattern().match(word)
    return found is not None and found.lastgroup == "unspaced"


@cache
def _pattern() -> re.Pattern[str]:
    marks = "".join(f"{chr(first)}-{chr(last)}" for first, last in _ranges(filter(_is_mark, chain(*_MARKS_ARE_AMONG))))
    return re.compile(
        f"(?P<unspaced>[{_UNSPACED}]+)"
        f"|(?P<word>[^\\W_](?:(?![{_UNSPACED}])(?:[^\\W_]|[{marks}]))*)"
        f"|(?P<picture>[{_PICTURES}])"
    )


def _is_mark(number: int) -> bool:
    return unicodedata.category(chr(number)).startswith("M")


def _ranges(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    first = last = -1
    for number in numbers:
        if number != last + 1:
            if first >= 0:
                yield first, last
            first = number
        last = number
    yield first, last


def _shape(text: str) -> tuple[str, Sequence[int], Sequence[int]]:
    """The folded text, and for each of its characters where in the text that which became it begins and ends."""
    if text.isascii():
        return text.lower(), range(len(text)), range(1, len(text) + 1)
    shapes: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for start, end in _clusters(text):
        shape = folded(text[start:end])
        shapes.append(shape)
        starts += [start] * len(shape)
        ends += [end] * len(shape)
    return "".join(shapes), starts, ends


def _clusters(text: str) -> Iterator[tuple[int, int]]:
    """The pieces that fold by themselves: a character with all that joins it."""
    start = 0
    for place in range(1, len(text)):
        if not _joins(text[place]):
            yield start, place
            start = place
    if text:
        yield start, len(text)


def _joins(character: str) -> bool:
    if character.isascii():
        return False
    first = ord(unicodedata.normalize("NFKD", character)[0])
    return _is_mark(first) or first in _HANGUL_THAT_JOINS
