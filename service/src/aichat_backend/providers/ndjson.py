"""Lines of JSON out of bytes that arrive in any pieces."""

from __future__ import annotations

LONGEST_LINE = 4 * 1024 * 1024
"""Bytes that may wait for the end of their line. A real one has a few hundred."""


class LineTooLong(Exception):
    """The bytes of one line do not end."""


class LineSplitter:
    """Turns pieces of a stream into whole lines."""

    def __init__(self, longest_line: int = LONGEST_LINE) -> None:
        self._longest_line = longest_line
        self._unfinished = bytearray()

    def whole(self, piece: bytes) -> bytes:
        """The lines that this piece completes, with their ends.

        Raises:
            LineTooLong: before more than `longest_line` bytes are held back.
        """
        end = piece.rfind(b"\n") + 1
        if end and self._unfinished:
            lines = bytes(self._unfinished) + piece[:end]
            self._unfinished.clear()
        else:
            lines = piece[:end]
        self._unfinished += piece[end:]
        if len(self._unfinished) > self._longest_line:
            raise LineTooLong(f"more than {self._longest_line} bytes without the end of a line")
        return lines
