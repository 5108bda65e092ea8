"""The open database: transactions that read, transactions that write, one writer at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self

from sqlalchemy.ext.asyncio import AsyncConnection

from aichat_backend.storage.engines import Engines, open_engines
from aichat_backend.storage.errors import DatabaseUnavailable, unavailable_when_failing
from aichat_backend.storage.schema import is_current, read_revision, upgrade_schema


class Database:
    """A database that is open. Make one with `await Database.open(url)`, and call `upgrade` before the first use."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self.insert = engines.insert
        """Makes INSERT statements that know this database's `ON CONFLICT`."""
        self._writing = asyncio.Lock()
        self._transactions = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    @classmethod
    async def open(cls, url: str) -> Self:
        """The database of that URL; a new SQLite file is created.

        Raises:
            StorageError: when it cannot be used as it is; the message says what to do.
        """
        return cls(await open_engines(url))

    async def upgrade(self) -> None:
        """Bring the schema to this version's state. Several processes may do so at once.

        Raises:
            NewerDatabase: when a newer version of the program has been here.
            DatabaseUnavailable: when the database fails meanwhile.
        """
        async with self.read() as connection:
            if await is_current(connection):
                return
        with unavailable_when_failing():
            async with self._engines.migrator.connect() as connection:
                await connection.begin()
                await upgrade_schema(connection)
                await _to_the_end(connection.commit())
        await self._engines.migrator.dispose()

    async def ping(self) -> None:
        """Read a row, or fail as every other call would.

        Raises:
            DatabaseUnavailable: when the database does not answer.
        """
        async with self.read() as connection:
            await read_revision(connection)

    async def close(self) -> None:
        """Let running transactions end, refuse new ones, close every connection."""
        self._closed = True
        await self._idle.wait()
        await self._engines.dispose()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that sees one snapshot, changes nothing, and does not wait for the writer.

        Raises:
            DatabaseUnavailable: when the database fails.
        """
        with self._counted(), unavailable_when_failing():
            async with self._engines.reader.connect() as connection:
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that commits when the block ends, and leaves nothing behind when it fails or is cancelled.

        Await nothing but this connection inside: every other writer waits.

        Raises:
            DatabaseUnavailable: when the database fails; nothing is stored then.
        """
        with self._counted(), unavailable_when_failing():
            async with self._writing, self._engines.writer.connect() as connection:
                await connection.begin()
                yield connection
                await _to_the_end(connection.commit())

    @contextmanager
    def _counted(self) -> Iterator[None]:
        if self._closed:
            raise DatabaseUnavailable("the database is closed")
        self._transactions += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._transactions -= 1
            if self._transactions == 0:
                self._idle.set()


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Wait for the work although the caller is cancelled, then be cancelled: a commit has happened or it has not."""
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled from task.exception()
    task.result()
