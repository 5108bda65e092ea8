"""Runs under way in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from msgspec.structs import replace

from aichat_backend.chat.audit import ToolStart
from aichat_backend.chat.underway import KeptDraft, News, SignOfLife
from aichat_backend.errors import Unavailable


class RunsInMemory:
    """Keeps every promise of a `RunStore`. A test takes runs away, and takes the database away."""

    def __init__(self, *under_way: SignOfLife) -> None:
        self.rows = {sign.run_id: sign for sign in under_way}
        self.drafts: dict[str, KeptDraft] = {}
        self.writes: list[set[str]] = []
        """Which drafts each write was about."""
        self.noted: list[ToolStart] = []
        self.sessions: dict[tuple[str, str], str] = {}
        """Of users and their runs."""
        self.unwanted: set[str] = set()
        self.interrupted: list[str] = []
        self.away = False
        self.broken: set[str] = set()

    async def keep(self, drafts: Mapping[str, KeptDraft], alive: Collection[str]) -> News:
        self._answer()
        self.writes.append(set(drafts))
        self.drafts.update(drafts)
        for run_id in alive:
            if run_id in self.rows:
                self.beat(run_id)
        return await self.news(alive)

    async def news(self, run_ids: Collection[str]) -> News:
        self._answer()
        unfinished = frozenset(run_ids).intersection(self.rows)
        return News(unfinished, unfinished & self.unwanted)

    async def session_of_run(self, user_id: str, run_id: str) -> str | None:
        self._answer()
        return self.sessions.get((user_id, run_id))

    async def run_in_session(self, user_id: str, session_id: str) -> str | None:
        self._answer()
        found = [run for (user, run), session in self.sessions.items() if (user, session) == (user_id, session_id)]
        return next(iter(found), None)

    async def want_stopped(self, run_id: str) -> None:
        self._answer()
        self.unwanted.add(run_id)

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
