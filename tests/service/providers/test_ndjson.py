"""The splitter: lines are the same wherever the network cuts them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat_backend.providers.ndjson import LineSplitter, LineTooLong


def split(*pieces: bytes) -> bytes:
    splitter = LineSplitter()
    return b"".join([*map(splitter.whole, pieces), splitter.whole(b"\n")])


STREAMS = st.lists(st.sampled_from([b'{"a":1}', b"", b"\n", b"\r\n", b"\n", b" ", "é→🙂".encode()]), max_size=20).map(
    b"".join
)


@given(STREAMS, st.lists(st.integers(0, 100), max_size=8))
def test_the_pieces_do_not_matter(whole: bytes, places: list[int]) -> None:
    marks = [0, *sorted(min(place, len(whole)) for place in places), len(whole)]

    assert split(*(whole[start:end] for start, end in pairwise(marks))) == split(whole)


@pytest.mark.parametrize(
    ("stream", "lines"),
    [(b"", b"\n"), (b"a\nb\n", b"a\nb\n\n"), (b"a\nb", b"a\nb\n"), (b"a\r\n", b"a\r\n\n")],
)
def test_the_end_of_the_stream_ends_the_last_line(stream: bytes, lines: bytes) -> None:
    assert split(stream) == lines


def test_a_line_is_there_as_soon_as_its_end_is() -> None:
    splitter = LineSplitter()

    assert splitter.whole(b"a") == b""
    assert splitter.whole(b"b\nc") == b"ab\n"
    assert splitter.whole(b"\n") == b"c\n"


def test_a_line_without_end_is_bounded() -> None:
    splitter = LineSplitter(longest_line=100)
    splitter.whole(b"x" * 100)

    with pytest.raises(LineTooLong, match="100 bytes"):
        splitter.whole(b"x")
