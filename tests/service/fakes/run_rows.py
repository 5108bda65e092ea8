"""Runs under way in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from msgspec.structs import replace

from aichat_backend.chat.audit import ToolStart
from aichat_backend.chat.underway import KeptDraft, SignOfLife
from aichat_backend.errors import Unavailable


class RunsInMemory:
    """Keeps every promise of a `RunStore`. A test takes runs away, and takes the database away."""

    def __init__(self, *under_way: SignOfLife) -> None:
        self.rows = {sign.run_id: sign for sign in under_way}
        self.drafts: dict[str, KeptDraft] = {}
        self.writes: list[set[str]] = []
        """Which drafts each write was about."""
        self.noted: list[ToolStart] = []
        self.interrupted: list[str] = []
        self.away = False
        self.broken: set[str] = set()

    async def keep(self, drafts: Mapping[str, KeptDraft], alive: Collection[str]) -> Collection[str]:
        self._answer()
        self.writes.append(set(drafts))
        self.drafts.update(drafts)
        for run_id in alive:
            if run_id in self.rows:
                self.beat(run_id)
        return [run_id for run_id in alive if run_id not in self.rows]

    async def begin_calls(self, run_id: str, draft: KeptDraft, calls: Sequence[ToolStart]) -> bool:
        self._answer()
        if run_id not in self.rows:
            return False
        self.beat(run_id)
        self.drafts[run_id] = draft
        self.noted.extend(calls)
        return True

    async def signs(self) -> Sequence[SignOfLife]:
        self._answer()
        return list(self.rows.values())

    async def interrupt(self, sign: SignOfLife) -> bool:
        self._answer()
        if sign.run_id in self.broken:
            raise ValueError("what was kept cannot be read")
        if self.rows.get(sign.run_id) != sign:
            return False
        del self.rows[sign.run_id]
        self.interrupted.append(sign.run_id)
        return True

    def beat(self, run_id: str) -> None:
        sign = self.rows[run_id]
        self.rows[run_id] = replace(sign, beat=sign.beat + 1)

    def _answer(self) -> None:
        if self.away:
            raise Unavailable("away", detail="away")
