"""The open database: transactions that read, transactions that write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from aichat_backend.storage.engines import Engines, open_engines
from aichat_backend.storage.errors import (
    DamagedDatabase,
    DatabaseUnavailable,
    OutOfTime,
    ReplacedDatabase,
    StorageError,
    UpgradeFailed,
)
from aichat_backend.storage.forgetting import Forgetting
from aichat_backend.storage.schema import SchemaAge, schema_age, touch, upgrade_schema
from aichat_backend.storage.search_merge import begin_merge, end_merge, go_on_merging, number_of_removals
from aichat_backend.storage.transactions import Transactions

if TYPE_CHECKING:
    from aichat_backend.storage.engines import InsertOrUpdate

T = TypeVar("T")


class Storage(Protocol):
    """What stores keep their rows in. Its calls fail with `DatabaseUnavailable` while there is no database to use."""

    @property
    def insert(self) -> InsertOrUpdate:
        """Makes INSERT statements that know this database's `ON CONFLICT`."""

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What the function reads, in a transaction that sees one snapshot and does not wait for the writer."""

    async def search(self, work: Callable[[Connection], T]) -> T:
        """As `read`, for what takes its time. Readers do not wait for it."""

    async def write(self, work: Callable[[Connection], T]) -> T:
        """What the function returns when the transaction in which it changed things is committed."""

    async def forget(self) -> None:
        """Take out of the database's files what has been removed from it."""


class Database:
    """A database that is open. Make one with `await Database.open(url)`, and call `upgrade` before the first use."""

    def __init__(self, engines: Engines) -> None:
        self._reading = Transactions(engines.reader)
        self._searching = Transactions(engines.searcher)
        self._writing = Transactions(engines.writer)
        self._migrating = Transactions(engines.migrator)
        self._keeping = Transactions(engines.keeper)
        self._forgetting = Forgetting(lambda: self._keeping.run_on_thread(engines.forget))
        self.name = engines.name
        """What and where it is, for an operator."""
        self._verify = engines.verify
        self._diagnose = engines.diagnose
        self.insert = engines.insert
        """Makes INSERT statements that know this database's `ON CONFLICT`."""

    @classmethod
    async def open(cls, url: str) -> Self:
        """The database of that URL; a new SQLite file is created.

        Raises:
            StorageError: when it cannot be used as it is; the message says what to do.
        """
        return cls(await open_engines(url))

    async def upgrade(self) -> None:
        """Bring the schema to this version's state, unless it is a newer one's. Several processes may do so at once.

        Raises:
            NewerDatabase: when a newer version of the program has changed it, and this one cannot use it.
            UpgradeFailed: when the database fails meanwhile; the schema is then as it was.
        """
        try:
            if await self.read(schema_age) is SchemaAge.OLDER:
                await self._migrating.run(upgrade_schema)
        except DatabaseUnavailable as error:
            trouble = await self.diagnose(error)
            if isinstance(trouble, DamagedDatabase | ReplacedDatabase):
                raise trouble from error
            raise _upgrade_failed(error.detail if trouble is None else f"{error.detail}. {trouble}") from error
        except DBAPIError as error:
            # Such as a table that is there already, or may not be made by this user.
            raise _upgrade_failed(str(error.orig)) from error
        await self._migrating.close()

    async def verify(self) -> None:
        """Look whether all of the database can be read, in a time that grows with it.

        Raises:
            DamagedDatabase: when something cannot.
        """
        await self._reading.run_on_thread(self._verify)

    async def settle(self) -> None:
        """Put into the database's file what lies beside it, so that the file alone has all.

        Raises:
            OutOfTime: when others are in the way all the time.
            DatabaseUnavailable: when that cannot be.
        """
        await self._forgetting.run()

    async def diagnose(self, error: DatabaseUnavailable) -> StorageError | None:
        """What an operator can do about a transaction that failed; None when there is nothing to do."""
        if isinstance(error, OutOfTime):
            return None
        return await asyncio.to_thread(self._diagnose, error)

    async def ping(self) -> None:
        """Read a row, or fail as every other call would.

        Raises:
            DatabaseUnavailable: when the database does not answer.
            NewerDatabase: when a newer version of the program has changed it meanwhile, and this one cannot use it.
        """
        await self.read(schema_age)

    async def try_to_write(self) -> None:
        """Write a row as it is already.

        Raises:
            DatabaseUnavailable: when the database does not take it.
        """
        await self.write(touch)

    async def close(self) -> None:
        """Let the transactions end that have been asked for, refuse new ones, close every connection."""
        for transactions in (self._reading, self._searching, self._writing, self._migrating, self._keeping):
            await transactions.close()

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What the function reads, in a transaction that sees one snapshot and does not wait for the writer.

        Raises:
            DatabaseUnavailable: when the database fails.
        """
        return await self._reading.run(work)

    async def search(self, work: Callable[[Connection], T]) -> T:
        """As `read`, for what takes its time: few at a time, which readers do not wait for.

        Raises:
            OutOfTime: when it takes too long.
            DatabaseUnavailable: when the database fails.
        """
        return await self._searching.run(work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """What the function returns when the transaction in which it changed things is committed.

        Nothing is left behind when it fails. A caller that is cancelled meanwhile leaves either nothing or all of it.

        Raises:
            DatabaseUnavailable: when the database fails; nothing is stored then.
        """
        return await self._writing.run(work)

    async def forget(self) -> None:
        """Take out of the database's files what has been removed from it. Others may write meanwhile.

        Raises:
            DatabaseUnavailable: when the database fails. Ask again: what was removed may still be in its files.
        """
        number = await self.read(number_of_removals)
        if number:
            more = await self.write(begin_merge)
            while more:
                more = await self.write(go_on_merging)
            await self.write(lambda connection: end_merge(connection, number))
        await self.settle()


def _upgrade_failed(reason: str) -> UpgradeFailed:
    return UpgradeFailed(f"The database's schema cannot be brought up to date: {reason.removesuffix('.')}.")
