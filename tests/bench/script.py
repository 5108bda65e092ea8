"""How the fake upstream is told what to send: as JSON in the text of the question, which every relay passes on."""

from __future__ import annotations

from msgspec import Struct

MARK = "~"
"""Stands once in every chunk and nowhere else, so that readers of any wire format can count what has arrived."""

RELEASE_PATH = "/release"
"""A POST there ends all endless answers."""

FOREVER = 3600.0


class Incomplete(Exception):
    """A stream did not bring what it was to bring: nothing that was measured with it means anything."""


class Script(Struct, frozen=True):
    """An answer."""

    chunks: int | None = None
    """How many chunks it has; without a number it is endless."""
    pause: float = 0.0
    """Seconds between two writes."""
    together: int = 1
    """Chunks in one write."""


ONE_CHUNK = Script(chunks=1)
