"""The splitter: events are the same wherever the network cuts them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aichat_backend.providers.sse import END_OF_EVENT, EventTooLong, SseEvent, SseSplitter

BOM = b"\xef\xbb\xbf"


def split(*pieces: bytes) -> list[SseEvent]:
    splitter = SseSplitter()
    events = [event for piece in pieces for event in splitter.feed(piece)]
    return events + splitter.feed(END_OF_EVENT)


def cut(whole: bytes, places: list[int]) -> list[bytes]:
    marks = [0, *sorted(min(place, len(whole)) for place in places), len(whole)]
    return [whole[start:end] for start, end in pairwise(marks)]


LINES = st.sampled_from(
    [
        b"",
        b"",
        b"data: one",
        b"data:two",
        b"data",
        b"data:",
        b"data:  kept blank",
        "data: é→🙂".encode(),
        b"event: error",
        b"event:",
        b": a comment",
        b":",
        b"id: 7",
        b"retry: 10",
        b"unknown: field",
        b"data: a:b",
        BOM,
        BOM + b"data: after a mark",
    ]
)
STREAMS = st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r\n", b"\r"])), max_size=12).map(
    lambda lines: b"".join(line + end for line, end in lines)
)


@given(STREAMS | st.binary(max_size=60), st.lists(st.integers(0, 200), max_size=8))
@example(b"data: x\r\n\r\ndata: y\r\n\r\n", [8, 9, 10, 11])
@example(BOM + b"data: x\n\n", [1, 2])
@example("data: 🙂\n\n".encode(), [7, 8, 9])
def test_the_pieces_do_not_matter(whole: bytes, places: list[int]) -> None:
    assert split(*cut(whole, places)) == split(whole)


@given(STREAMS)
def test_not_even_single_bytes(whole: bytes) -> None:
    assert split(*(whole[i : i + 1] for i in range(len(whole)))) == split(whole)


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        pytest.param(b"data: a\n\ndata: b\n\n", [SseEvent(b"a"), SseEvent(b"b")], id="LF"),
        pytest.param(b"data: a\r\n\r\ndata: b\r\n\r\n", [SseEvent(b"a"), SseEvent(b"b")], id="CRLF"),
        pytest.param(b"data: a\r\rdata: b\r\r", [SseEvent(b"a"), SseEvent(b"b")], id="CR"),
        pytest.param(b"data: a\ndata: b\n\n", [SseEvent(b"a\nb")], id="several data lines"),
        pytest.param(b"data:a\n\n", [SseEvent(b"a")], id="no blank after the colon"),
        pytest.param(b"data:  a\n\n", [SseEvent(b" a")], id="only one blank is taken away"),
        pytest.param(b"data\n\n", [SseEvent(b"")], id="a field without a colon is empty"),
        pytest.param(b"event: error\ndata: a\n\ndata: b\n\n", [SseEvent(b"a", "error"), SseEvent(b"b")], id="a name"),
        pytest.param(b"event: ping\n\ndata: b\n\n", [SseEvent(b"b")], id="a name without data is forgotten"),
        pytest.param(b": hi\n\nid: 1\nretry: 2\nx: y\ndata: a\n\n", [SseEvent(b"a")], id="comments and other fields"),
        pytest.param(BOM + b"data: a\n\n", [SseEvent(b"a")], id="byte order mark"),
        pytest.param(b"data: a\n\ndata: b", [SseEvent(b"a"), SseEvent(b"b")], id="end without a blank line"),
        pytest.param(b"\n\n\n", [], id="blank lines"),
        pytest.param(b"", [], id="nothing"),
    ],
)
def test_understands(stream: bytes, events: list[SseEvent]) -> None:
    assert split(stream) == events


def test_an_event_is_there_as_soon_as_its_blank_line_is() -> None:
    splitter = SseSplitter()

    assert splitter.feed(b"data: a\r\r") == [SseEvent(b"a")]
    assert splitter.feed(b"\ndata: b\n") == []
    assert splitter.feed(b"\n") == [SseEvent(b"b")]


def test_a_line_without_end_is_bounded() -> None:
    splitter = SseSplitter(longest_event=100)
    splitter.feed(b"data: " + b"x" * 90)

    with pytest.raises(EventTooLong, match="100 bytes"):
        splitter.feed(b"x" * 10)


def test_data_lines_without_end_are_bounded() -> None:
    splitter = SseSplitter(longest_event=100)

    with pytest.raises(EventTooLong):
        splitter.feed(b"data: 0123456789\n" * 11)


def test_empty_data_lines_without_end_are_bounded_too() -> None:
    splitter = SseSplitter(longest_event=100)

    with pytest.raises(EventTooLong):
        splitter.feed(b"data\n" * 30)
