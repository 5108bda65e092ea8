"""Runs that have ended and can still be read: by those who come back late, and by the slow."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Sequence
from typing import Protocol

from aichat_backend.chat.conversation import MessageStatus
from aichat_backend.streams.log import EventLog

KEPT_SECONDS = 900.0
KEPT_BYTES_PER_USER = 16 * 1024 * 1024
"""Of events. A long answer has one megabyte of them, so this bounds memory without being met in a conversation."""
KEPT_RUNS_PER_USER = 1_000
"""The refused decisions among them have hardly any events, and nothing else limits how many come."""


class Followed(Protocol):
    """What has events that can be followed: a run, or the news that there is none."""

    @property
    def id(self) -> str:
        """What it is found by."""

    @property
    def user_id(self) -> str:
        """Whose it is."""

    @property
    def session_id(self) -> str:
        """The session it is about."""

    @property
    def log(self) -> EventLog:
        """Its events."""

    def stop(self, status: MessageStatus) -> None:
        """End it where it is. Too late is no error."""

    async def told(self) -> None:
        """Wait until the readers have heard the end."""

    async def ended(self) -> None:
        """Wait until all is over."""


class FinishedRuns:
    """Keeps each run for a time, unless its user's newer ones need the room; the newest stays in any case."""

    def __init__(
        self,
        *,
        seconds: float = KEPT_SECONDS,
        bytes_per_user: int = KEPT_BYTES_PER_USER,
        runs_per_user: int = KEPT_RUNS_PER_USER,
    ) -> None:
        self._seconds = seconds
        self._bytes_per_user = bytes_per_user
        self._runs_per_user = runs_per_user
        self._runs: dict[str, Followed] = {}
        self._by_age: dict[str, deque[Followed]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def keep(self, run: Followed) -> None:
        """Keep a run that has ended, and let go of what no longer fits."""
        runs = self._by_age.setdefault(run.user_id, deque())
        runs.append(run)
        self._runs[run.id] = run
        self._timers[run.id] = asyncio.get_running_loop().call_later(self._seconds, self._let_go, run)
        while len(runs) > 1 and self._are_too_much(runs):
            self._let_go(runs[0])

    def get(self, run_id: str) -> Followed | None:
        """The run of that id, if it is still kept."""
        return self._runs.get(run_id)

    def of(self, user_id: str) -> Sequence[Followed]:
        """All of a user's, oldest first."""
        return tuple(self._by_age.get(user_id, ()))

    def forget(self, user_id: str) -> None:
        """Let go of all of a user's."""
        for run in self.of(user_id):
            self._let_go(run)

    def _are_too_much(self, runs: Collection[Followed]) -> bool:
        return len(runs) > self._runs_per_user or sum(kept.log.size for kept in runs) > self._bytes_per_user

    def _let_go(self, run: Followed) -> None:
        if self._runs.pop(run.id, None) is None:
            return
        # A timer holds what it is for until it rings, unless it is cancelled.
        self._timers.pop(run.id).cancel()
        runs = self._by_age[run.user_id]
        runs.remove(run)
        if not runs:
            del self._by_age[run.user_id]
