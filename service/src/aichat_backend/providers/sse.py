"""Server-sent events out of bytes that arrive in any pieces."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

LONGEST_EVENT = 4 * 1024 * 1024
"""Bytes that may wait for the end of their event. A real one has a few hundred."""

END_OF_EVENT = b"\n\n"

_BOM = b"\xef\xbb\xbf"
_DATA = b"data: "
_DATA_STARTS = len(_DATA)
_NAME = b"event: "
_NAME_STARTS = len(_NAME)


class SseEvent(Struct, frozen=True, gc=False):
    """One event. The name is empty unless the server gave one."""

    data: bytes
    name: str = ""


class EventTooLong(Exception):
    """The bytes of one event do not end."""


class SseSplitter:
    """Turns pieces of an event stream into its events.

    Lines end with LF, CRLF or CR; a line, a character and a line's end may each be cut anywhere between two pieces.
    Comments and the fields `id` and `retry` are dropped: a client that never reconnects has no use for them.
    """

    def __init__(self, longest_event: int = LONGEST_EVENT) -> None:
        self._longest_event = longest_event
        self._unfinished = bytearray()
        self._at_start = True
        self._last_was_cr = False

    def feed(self, piece: bytes) -> list[SseEvent]:
        """The events that this piece completes.

        Raises:
            EventTooLong: before more than `longest_event` bytes are held back.
        """
        return split_events(self.whole(piece))

    def whole(self, piece: bytes) -> bytes:
        """The bytes of the events that this piece completes, each with a blank line after it, and plain line ends.

        Raises:
            EventTooLong: before more than `longest_event` bytes are held back.
        """
        if self._last_was_cr or b"\r" in piece:
            piece = self._with_plain_line_ends(piece)
        if self._unfinished:
            if not self._ends_an_event(piece):
                self._hold_back(piece)
                return b""
            piece = bytes(self._unfinished) + piece
            self._unfinished.clear()
        if not piece.endswith(END_OF_EVENT):
            end = piece.rfind(END_OF_EVENT) + len(END_OF_EVENT) if END_OF_EVENT in piece else 0
            self._hold_back(piece[end:])
            piece = piece[:end]
        if piece and self._at_start:
            self._at_start = False
            piece = piece.removeprefix(_BOM)
        return piece

    def _with_plain_line_ends(self, piece: bytes) -> bytes:
        if self._last_was_cr and piece.startswith(b"\n"):
            piece = piece[1:]
            self._last_was_cr = False
        if piece:
            self._last_was_cr = piece.endswith(b"\r")
        if b"\r" in piece:
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return piece

    def _ends_an_event(self, piece: bytes) -> bool:
        """Whether it does so with what is held back, which is not looked through again."""
        return END_OF_EVENT in piece or (piece.startswith(b"\n") and self._unfinished.endswith(b"\n"))

    def _hold_back(self, piece: bytes) -> None:
        self._unfinished += piece
        if len(self._unfinished) > self._longest_event:
            raise EventTooLong(f"more than {self._longest_event} bytes without the end of an event")


def split_events(whole: bytes) -> list[SseEvent]:
    """The events of bytes that end with one."""
    events: list[SseEvent] = []
    for block in whole.split(END_OF_EVENT):
        # Nearly all events are one line of data, with some vendors under their name; the rest takes the longer way.
        name, _line_end, line = block.rpartition(b"\n")
        if line.startswith(_DATA) and not name:
            events.append(SseEvent(line[_DATA_STARTS:]))
        elif line.startswith(_DATA) and name.startswith(_NAME) and b"\n" not in name:
            events.append(SseEvent(line[_DATA_STARTS:], name[_NAME_STARTS:].decode(errors="replace")))
        elif block:
            events.extend(_read_lines(block))
    return events


def run_of_events(whole: bytes, beginning: bytes) -> tuple[int, int]:
    """From where to where events with this beginning reach, in bytes that end with an event.

    There may be others among them. Without any, both are the end of the bytes.
    """
    start = 0 if whole.startswith(beginning) else whole.find(END_OF_EVENT + beginning) + len(END_OF_EVENT)
    if start == len(END_OF_EVENT) - 1:
        return len(whole), len(whole)
    last = start_of_last_event(whole, beginning, start, len(whole))
    return start, whole.index(END_OF_EVENT, last) + len(END_OF_EVENT)


def start_of_last_event(whole: bytes, beginning: bytes, start: int, end: int) -> int:
    """Where the last event with this beginning begins, between the begin of another one and the end of one."""
    before = whole.rfind(END_OF_EVENT + beginning, start, end)
    return start if before < 0 else before + len(END_OF_EVENT)


def data_lines(run: bytes, beginning: bytes) -> bytes:
    """The data of events that all begin like this, a line for each.

    Whoever decodes the lines finds out whether there was anything else among them.
    """
    return run[len(beginning) :].replace(END_OF_EVENT + beginning, b"\n")


def _read_lines(block: bytes) -> Iterator[SseEvent]:
    """The event of lines that a blank one ended; none when they have no data."""
    data: list[bytes] = []
    name = ""
    for line in block.split(b"\n"):
        field, _colon, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode(errors="replace")
    if data:
        yield SseEvent(data[0] if len(data) == 1 else b"\n".join(data), name)
