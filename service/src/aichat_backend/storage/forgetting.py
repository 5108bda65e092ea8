"""Taking out of a database's files what was removed, for all who ask, while others are in the way now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

from aichat_backend.storage.errors import OutOfTime

PATIENCE_SECONDS = 15.0
"""For so long it is tried."""

_PAUSE_SECONDS = 0.25
"""Between two attempts, in which others go on that had to wait."""


class Forgetting:
    """Attempts come one by one, with pauses. One that succeeds is enough for all who had asked when it began."""

    def __init__(self, attempt: Callable[[], Awaitable[None]]) -> None:
        """`attempt` fails with `OutOfTime` when others were in the way."""
        self._attempt = attempt
        self._turn = asyncio.Lock()
        self._begun = 0
        """How many attempts there were."""
        self._succeeded = 0
        """Which of them was the last one that succeeded."""

    async def run(self) -> None:
        """Wait until what had been removed is forgotten.

        Raises:
            OutOfTime: when others are in the way all the time.
        """
        asked_after = self._begun
        deadline = monotonic() + PATIENCE_SECONDS
        while True:
            async with self._turn:
                if self._succeeded > asked_after:
                    return
                self._begun += 1
                try:
                    await self._attempt()
                except OutOfTime:
                    if monotonic() > deadline:
                        raise
                    await asyncio.sleep(_PAUSE_SECONDS)
                else:
                    self._succeeded = self._begun
                    return
