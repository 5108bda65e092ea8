"""Server-sent events out of bytes that arrive in any pieces."""

from __future__ import annotations

from msgspec import Struct

LONGEST_EVENT = 4 * 1024 * 1024
"""Bytes that may wait for the end of their event. A real one has a few hundred."""

_BOM = b"\xef\xbb\xbf"


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
        self._unfinished_line = bytearray()
        self._data: list[bytes] = []
        self._data_size = 0
        self._name = ""
        self._first_line = True
        self._last_was_cr = False

    def feed(self, piece: bytes) -> list[SseEvent]:
        """The events that this piece completes.

        Raises:
            EventTooLong: before more than `longest_event` bytes are held back.
        """
        piece = self._with_plain_line_ends(piece)
        if b"\n" not in piece:
            self._unfinished_line += piece
            self._check_size()
            return []
        lines = piece.split(b"\n")
        if self._unfinished_line:
            lines[0] = bytes(self._unfinished_line) + lines[0]
        self._unfinished_line = bytearray(lines.pop())
        if self._first_line:
            self._first_line = False
            lines[0] = lines[0].removeprefix(_BOM)
        events: list[SseEvent] = []
        for line in lines:
            if line:
                self._take_field(line)
            elif self._data:
                events.append(self._take_event())
            else:
                self._name = ""
        self._check_size()
        return events

    def end(self) -> list[SseEvent]:
        """The event that lacks only the blank line after it, for servers that close without one."""
        return self.feed(b"\n\n")

    def _with_plain_line_ends(self, piece: bytes) -> bytes:
        if self._last_was_cr and piece.startswith(b"\n"):
            piece = piece[1:]
            self._last_was_cr = False
        if piece:
            self._last_was_cr = piece.endswith(b"\r")
        if b"\r" in piece:
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return piece

    def _take_field(self, line: bytes) -> None:
        field, _colon, value = line.partition(b":")
        if value.startswith(b" "):
            value = value[1:]
        if field == b"data":
            self._data.append(value)
            self._data_size += len(line)
        elif field == b"event":
            self._name = value.decode(errors="replace")

    def _take_event(self) -> SseEvent:
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        event = SseEvent(data, self._name)
        self._data.clear()
        self._data_size = 0
        self._name = ""
        return event

    def _check_size(self) -> None:
        if self._data_size + len(self._unfinished_line) > self._longest_event:
            raise EventTooLong(f"more than {self._longest_event} bytes without the end of an event")
