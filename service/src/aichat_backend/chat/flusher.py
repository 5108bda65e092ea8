"""Keeps what there is of every answer under way, so that a process that dies takes a second of text with it at most."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from time import monotonic
from typing import Protocol

import structlog

from aichat_backend.chat.audit import ToolStart
from aichat_backend.chat.conversation import MessageStatus
from aichat_backend.chat.underway import KeptDraft, News, RunStore
from aichat_backend.errors import ChatError

INTERVAL_SECONDS = 0.75
"""From the beginning of one time to that of the next, so that with the writing itself no more than a second is lost."""
_LEAST_REST = 0.25
"""How much of an interval the database is left alone, however long it takes."""
BEAT_SECONDS = 5.0
"""How often a run shows that its process lives, when nothing is said."""

_log = structlog.get_logger(__name__)


class LiveRun(Protocol):
    """A run under way in this process."""

    @property
    def id(self) -> str:
        """What it is kept under."""

    @property
    def version(self) -> int:
        """Another one when there is more of the answer."""

    def kept_draft(self) -> KeptDraft:
        """What there is of the answer."""

    def note_kept(self, draft: KeptDraft) -> None:
        """Hear that this is in the store, for whoever takes the run over."""

    def lose(self) -> None:
        """Hear that it is no longer under way: its session is gone, or another process took this one for dead."""

    def stop(self, status: MessageStatus) -> None:
        """End the answer where it is."""


class Flusher:
    """Writes all drafts that changed in one transaction, now and then; nothing while nothing is under way.

    As often it sees what other processes did to the runs, or want of them.
    """

    def __init__(
        self,
        store: RunStore,
        *,
        interval: float = INTERVAL_SECONDS,
        beat_seconds: float = BEAT_SECONDS,
        clock: Callable[[], float] = monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._interval = interval
        self._beat_seconds = beat_seconds
        self._clock = clock
        self._sleep = sleep
        self._runs: dict[str, LiveRun] = {}
        self._kept: dict[str, int] = {}
        """The version of each that is in the store."""
        self._beaten_at = clock()
        self._turn = asyncio.Lock()
        self._keeping: asyncio.Task[None] | None = None
        self._failing = False

    @property
    def under_way(self) -> Collection[str]:
        """The runs that this process makes."""
        return self._runs.keys()

    def add(self, run: LiveRun) -> None:
        """Keep this one from now on."""
        if not self._runs:
            self._beaten_at = self._clock()
            self._keeping = asyncio.create_task(self._keep_on(), name="keep drafts")
        self._runs[run.id] = run
        self._kept[run.id] = run.version

    def discard(self, run: LiveRun) -> None:
        """It has ended."""
        del self._runs[run.id], self._kept[run.id]
        if not self._runs and self._keeping is not None:
            self._keeping.cancel()

    async def flush(self) -> None:
        """Write what changed since the last time, and a sign of life if that was not lately; heed what others want.

        Raises:
            Unavailable: the database does not answer; the next time writes it all.
        """
        async with self._turn:
            versions = {run.id: run.version for run in self._runs.values()}
            changed = [run for run in self._runs.values() if run.version != self._kept[run.id]]
            if not versions:
                return
            if changed or self._clock() - self._beaten_at >= self._beat_seconds:
                drafts = {run.id: run.kept_draft() for run in changed}
                news = await self._store.keep(drafts, versions)
                for run in changed:
                    if run.id in news.unfinished:
                        run.note_kept(drafts[run.id])
                self._beaten_at = self._clock()
                self._kept.update((id_, version) for id_, version in versions.items() if id_ in self._runs)
            else:
                news = await self._store.news(versions)
            self._heed(news, versions)

    async def begin_calls(self, run: LiveRun, calls: Sequence[ToolStart]) -> None:
        """Before tools do what cannot be taken back: keep what led to it and note it, or stop the run if it is lost.

        Raises:
            Unavailable: the database does not answer; neither is stored, and the tools must not run.
        """
        async with self._turn:
            version, draft = run.version, run.kept_draft()
            if await self._store.begin_calls(run.id, draft, calls):
                self._kept[run.id] = version
                run.note_kept(draft)
            else:
                run.lose()
        # Whoever was stopped by that hears of it here, and does nothing more.
        await asyncio.sleep(0)

    def _heed(self, news: News, asked_about: Collection[str]) -> None:
        for run in [run for id_, run in self._runs.items() if id_ in asked_about]:
            if run.id not in news.unfinished:
                run.lose()
            elif run.id in news.unwanted:
                run.stop(MessageStatus.STOPPED)

    async def _keep_on(self) -> None:
        pause = self._interval
        while True:
            await self._sleep(pause)
            began = self._clock()
            await self._try()
            pause = max(self._interval - (self._clock() - began), self._interval * _LEAST_REST)

    async def _try(self) -> None:
        try:
            await self.flush()
        except Exception as error:  # noqa: BLE001 - answers go on while they cannot be kept, and the next time may do
            self._tell_once(error)
        else:
            if self._failing:
                self._failing = False
                _log.info("drafts_kept_again")

    def _tell_once(self, error: Exception) -> None:
        if not self._failing:
            self._failing = True
            detail = error.detail if isinstance(error, ChatError) else None
            _log.warning("drafts_not_kept", detail=detail, exc_info=None if isinstance(error, ChatError) else error)
