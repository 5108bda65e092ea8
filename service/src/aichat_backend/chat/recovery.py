"""Finds runs whose process is dead, and makes what was kept of them the answers of their sessions.

Nobody's clock is trusted: a run is dead when this process itself has seen no life in it for a while. And time counts
only while the database answers, because while it does not, the living cannot show that they live.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Sequence
from time import monotonic

import structlog

from aichat_backend.chat.underway import Owner, RunStore, SignOfLife
from aichat_backend.errors import Unavailable

INTERVAL_SECONDS = 5.0
DEAD_AFTER_SECONDS = 15.0

_log = structlog.get_logger(__name__)


class Recovery:
    """Looks after the runs of processes that died; several processes may do so at once."""

    def __init__(
        self,
        store: RunStore,
        owner: Owner,
        ours: Callable[[], Container[str]],
        *,
        interval: float = INTERVAL_SECONDS,
        dead_after: float = DEAD_AFTER_SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`ours` are the runs that this process makes."""
        self._store = store
        self._owner = owner
        self._ours = ours
        self._interval = interval
        self._dead_after = dead_after
        self._clock = clock
        self._seen: dict[str, tuple[int, float]] = {}
        """The last beat of each run, and since when it has been that one."""
        self._beyond_repair: set[str] = set()
        self._blind = False
        self._has_looked = False

    async def watch(self) -> None:
        """Look now and then, until cancelled. Not before this process listens: only then is its name its own."""
        while True:
            await self.look()
            await asyncio.sleep(self._interval)

    async def look(self) -> None:
        """Interrupt the runs that are dead."""
        try:
            for sign in self._dead(await self._store.signs()):
                await self._interrupt(sign)
        except Unavailable as error:
            self._seen.clear()
            if not self._blind:
                _log.warning("dead_runs_not_looked_for", detail=error.detail)
            self._blind = True
        else:
            self._blind = False
            if not self._has_looked:
                self._has_looked = True
                _log.info("dead_runs_looked_for")

    def _dead(self, signs: Sequence[SignOfLife]) -> Sequence[SignOfLife]:
        now, ours = self._clock(), self._ours()
        self._seen = {
            sign.run_id: seen
            if (seen := self._seen.get(sign.run_id)) is not None and seen[0] == sign.beat
            else (sign.beat, now)
            for sign in signs
        }
        return [
            sign
            for sign in signs
            if sign.run_id not in ours
            and sign.run_id not in self._beyond_repair
            and (self._owner.has_outlived(sign.owner) or now - self._seen[sign.run_id][1] >= self._dead_after)
        ]

    async def _interrupt(self, sign: SignOfLife) -> None:
        try:
            interrupted = await self._store.interrupt(sign)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - the others are answered all the same
            self._beyond_repair.add(sign.run_id)
            _log.error("run_not_interrupted", run_id=sign.run_id, exc_info=error)
        else:
            if interrupted:
                _log.warning("run_interrupted", run_id=sign.run_id, process=sign.owner.name)
