"""A piece of a text around what was found in it, with the hits marked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from aichat_backend.storage.words import Word, placed_words

_BEFORE = 40
_LENGTH = 160
_MOST_HITS = 200
_CUT = "…"
_SPACE = re.compile(r"\s")

Marks = tuple[tuple[int, int], ...]


def marked_snippet(text: str, wanted: Sequence[str]) -> tuple[str, Marks]:
    """The piece with most of the wanted words, and where in it words begin with them.

    Places count UTF-16 code units. Every white space is a blank.
    """
    beginnings = tuple(wanted)
    hits = list(islice((word for word in placed_words(text) if word.text.startswith(beginnings)), _MOST_HITS))
    start, end = _window(text, hits, beginnings)
    before, after = _CUT * (start > 0), _CUT * (end < len(text))
    snippet = before + _SPACE.sub(" ", text[start:end]) + after
    shift = len(before) - start
    places = _merged([(hit.start + shift, hit.end + shift) for hit in hits if start <= hit.start and hit.end <= end])
    return snippet, tuple((_in_utf16(snippet, first), _in_utf16(snippet, last)) for first, last in places)


def _window(text: str, hits: Sequence[Word], wanted: Sequence[str]) -> tuple[int, int]:
    """From a little before the hit after which most of what is wanted comes."""
    if not hits:
        return 0, min(len(text), _LENGTH)

    def number_seen(first: Word) -> int:
        reach = first.start + _LENGTH - _BEFORE
        near = [hit.text for hit in hits if first.start <= hit.start and hit.end <= reach]
        return sum(any(word.startswith(beginning) for word in near) for beginning in wanted)

    best = max(hits, key=number_seen)
    start = max(0, best.start - _BEFORE)
    if start:
        # Not in the middle of a word, where there is another place.
        blank = _SPACE.search(text, start, best.start)
        start = blank.end() if blank else best.start
    return start, min(len(text), max(start + _LENGTH, best.end))


def _merged(places: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The places with those in one that touch."""
    merged: list[tuple[int, int]] = []
    for start, end in places:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _in_utf16(text: str, place: int) -> int:
    return place + sum(character > "\uffff" for character in text[:place])
