"""The open database: transactions that read, transactions that write, one writer at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Self

from aichat_backend.storage.engines import Engines, open_engines
from aichat_backend.storage.errors import DatabaseUnavailable, UpgradeFailed
from aichat_backend.storage.schema import is_current, read_revision, upgrade_schema
from aichat_backend.storage.transactions import Transaction, transaction_on


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
            UpgradeFailed: when the database fails meanwhile; the schema is then as it was.
        """
        try:
            async with self.read() as transaction:
                if await is_current(transaction):
                    return
            with self._counted():
                async with transaction_on(self._engines.migrator) as transaction:
                    await upgrade_schema(transaction)
        except DatabaseUnavailable as error:
            raise UpgradeFailed(f"The database's schema cannot be brought up to date: {error.detail}.") from error
        await self._engines.migrator.dispose()

    async def ping(self) -> None:
        """Read a row, or fail as every other call would.

        Raises:
            DatabaseUnavailable: when the database does not answer.
        """
        async with self.read() as transaction:
            await read_revision(transaction)

    async def close(self) -> None:
        """Let running transactions end, refuse new ones, close every connection."""
        self._closed = True
        await self._idle.wait()
        await self._engines.dispose()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        """A transaction that sees one snapshot, changes nothing, and does not wait for the writer.

        Raises:
            DatabaseUnavailable: when the database fails.
        """
        with self._counted():
            async with transaction_on(self._engines.reader) as transaction:
                yield transaction

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Transaction]:
        """A transaction that commits when the block ends, and leaves nothing behind when it fails or is cancelled.

        Await nothing but this transaction inside: every other writer waits. Cancelled while it commits, it has
        committed, as after any cancelled call whose answer never came.

        Raises:
            DatabaseUnavailable: when the database fails; nothing is stored then.
        """
        async with self._writing:
            with self._counted():
                async with transaction_on(self._engines.writer) as transaction:
                    yield transaction

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
