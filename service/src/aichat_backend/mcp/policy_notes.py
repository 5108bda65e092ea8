"""Sees to it that the audit trail tells which policies are in force, also when the database is away for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextvars import Context

import structlog

from aichat_backend.chat.tools import PolicyTrail, ServerPolicy
from aichat_backend.mcp.entries import ServerEntry

_AGAIN_SECONDS = 5.0

_log = structlog.get_logger(__name__)


class PolicyNotes:
    """Notes policies in the background: no server and no question waits for it.

    What a process could not note before it ended is noted by the next one: the trail tells what was in force last.
    """

    def __init__(self, trail: PolicyTrail) -> None:
        self._trail = trail
        self._in_force: tuple[ServerPolicy, ...] | None = None
        self._noting: asyncio.Task[None] | None = None

    def tell(self, entries: Iterable[ServerEntry]) -> None:
        """From now on these entries are in force."""
        in_force = tuple(_policy_of(entry) for entry in entries)
        if in_force == self._in_force:
            return
        self._in_force = in_force
        if self._noting is None or self._noting.done():
            self._noting = asyncio.create_task(self._note(), name="note tool policies", context=Context())

    async def aclose(self) -> None:
        """Stop, whether or not all is noted."""
        if self._noting is not None:
            self._noting.cancel()
            await asyncio.wait({self._noting})

    async def _note(self) -> None:
        noted, failing = None, False
        while noted != self._in_force:
            in_force = self._in_force or ()
            try:
                await self._trail.note(in_force)
                noted = in_force
            except Exception as error:  # noqa: BLE001 - whatever it is: it is tried again until it is noted
                if not failing:
                    _log.warning("mcp_policies_not_noted", servers=len(in_force), exc_info=error)
                failing = True
                await asyncio.sleep(_AGAIN_SECONDS)


def _policy_of(entry: ServerEntry) -> ServerPolicy:
    return ServerPolicy(
        server=entry.name,
        entry_digest=entry.digest,
        enabled=entry.enabled,
        trusted=entry.rules.trusted,
        default=entry.rules.default,
        by_tool=entry.rules.by_tool,
        read_only=entry.rules.read_only,
    )
