"""What has to be done in the database now and then, by itself: what is old, files never sent, remains in its files."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy import Connection

from aichat_backend.errors import Unavailable
from aichat_backend.storage.audit_retention import remove_some_entries
from aichat_backend.storage.clock import Clock, utc_now
from aichat_backend.storage.database import Storage
from aichat_backend.storage.files import SqlFileStore
from aichat_backend.storage.leaving import next_nobody, remove_left
from aichat_backend.storage.retention import disown_some, next_owner

_EVERY_SECONDS = 3600.0
_AGAIN_SECONDS = 60.0
"""When the database did not allow it."""

_log = structlog.get_logger(__name__)


class Housekeeping:
    """Keeps the database tidy; with retentions, what is so many days old goes.

    A session is as old as its last use.
    """

    def __init__(
        self,
        database: Storage,
        *,
        retention_days: int | None = None,
        audit_retention_days: int | None = None,
        clock: Clock = utc_now,
        every: float = _EVERY_SECONDS,
    ) -> None:
        self._database = database
        self._files = SqlFileStore(database, clock=clock)
        self._retention = None if retention_days is None else timedelta(days=retention_days)
        self._audit_retention = None if audit_retention_days is None else timedelta(days=audit_retention_days)
        self._clock = clock
        self._every = every

    async def watch(self) -> None:
        """Tidy now, and then again and again."""
        while True:
            pause = self._every
            try:
                await self.tidy()
            except Unavailable as error:
                _log.warning("database_not_tidied", detail=error.detail)
                pause = min(pause, _AGAIN_SECONDS)
            await asyncio.sleep(pause)

    async def tidy(self) -> None:
        """Do all there is to do.

        Raises:
            Unavailable: when the database fails; what was done is done.
        """
        await self._files.drop_stale()
        removed = await self._remove_old_sessions() | await self._remove_old_entries()
        if removed or await self._database.read(_keeps_a_log):
            await self._database.forget()

    async def _remove_old_sessions(self) -> bool:
        sessions = 0 if self._retention is None else await self._disown(self._retention)
        messages = 0
        # Also what was left undone, by whomever.
        while nobody := await self._database.read(next_nobody):
            messages += await remove_left(self._database, nobody)
        if sessions or messages:
            _log.info("old_sessions_deleted", sessions=sessions, messages=messages)
        return bool(sessions or messages)

    async def _remove_old_entries(self) -> bool:
        if self._audit_retention is None:
            return False
        some = partial(remove_some_entries, before=self._clock() - self._audit_retention)
        removed = 0
        while number := await self._database.write(some):
            removed += number
        if removed:
            _log.info("old_audit_entries_deleted", entries=removed)
        return bool(removed)

    async def _disown(self, retention: timedelta) -> int:
        now = self._clock()
        before = now - retention
        disowned = 0
        owner = ""
        while found := await self._database.read(partial(next_owner, after=owner, before=before)):
            owner = found
            some = partial(disown_some, owner=owner, before=before, now=now)
            while number := await self._database.write(some):
                disowned += number
        return disowned


def _keeps_a_log(connection: Connection) -> bool:
    """Whether what users have removed, at whatever time, stays beside the database until somebody takes it out."""
    return connection.dialect.name == "sqlite"
