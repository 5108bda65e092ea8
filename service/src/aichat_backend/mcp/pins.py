"""Pins: a tool that is no longer what it was when its server's entry was first used is asked for, come what may."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from time import monotonic

from aichat_backend.chat.tools import ToolPins
from aichat_backend.mcp.entries import ServerEntry
from aichat_backend.mcp.listing import ListedTool

_PIN_SECONDS = 10.0
_FIRST_USE_SECONDS = 60.0
"""Some servers offer their tools one after another."""


class PinsUnknown(Exception):
    """Nobody can say now which tools have changed."""


class Pins:
    """What one server's tools were when its entry was first used."""

    def __init__(self, entry: ServerEntry, pins: ToolPins) -> None:
        self._entry = entry
        self._pins = pins
        self._open_until = -math.inf
        self._noted: dict[str, str] = {}
        """The changes that are in the audit trail."""

    async def unchanged(self, tools: Sequence[ListedTool]) -> frozenset[str]:
        """The names of the tools that are what they were; at the entry's first use, that is remembered.

        A tool that comes later, under a name that nobody has seen, has changed as much as one with other words.

        Raises:
            PinsUnknown: the pins cannot be read or written.
        """
        digests = {tool.name: tool.digest for tool in tools}
        try:
            async with asyncio.timeout(_PIN_SECONDS):
                known = await self._pins.pinned(self._entry.name, self._entry.digest)
                if not known:
                    self._open_until = monotonic() + _FIRST_USE_SECONDS
                new = {name: digest for name, digest in digests.items() if name not in known}
                if new and monotonic() < self._open_until:
                    await self._pins.pin(self._entry.name, self._entry.digest, new)
                    known = {**new, **known}
                await self._note_changes({name: text for name, text in digests.items() if known.get(name) != text})
        except Exception as error:
            # Whatever it is: without an answer nothing counts as unchanged.
            raise PinsUnknown from error
        return frozenset(name for name, digest in digests.items() if known.get(name) == digest)

    async def _note_changes(self, changed: Mapping[str, str]) -> None:
        """Tell of each change once; of one that stands after a restart, once more."""
        news = {name: text for name, text in changed.items() if self._noted.get(name) != text}
        if news:
            await self._pins.note_changes(self._entry.name, self._entry.digest, news)
            self._noted.update(news)
