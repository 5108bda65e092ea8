"""From a database URL to the engines that reach it."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from aichat_backend.storage.errors import (
    DatabaseUnavailable,
    InaccessibleDatabase,
    StorageError,
    UnsupportedDatabase,
)
from aichat_backend.storage.recovery import NoRecovery

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from sqlalchemy import URL, Connection, Engine, Table
    from sqlalchemy.dialects import postgresql, sqlite

    from aichat_backend.storage.recovery import Recovery
    from aichat_backend.storage.unwanted import Unwanted

    Watch = Callable[[Connection, Unwanted], AbstractContextManager[None]]
    InsertOrUpdate = Callable[[Table], sqlite.Insert | postgresql.Insert]

_DRIVERS = {
    **dict.fromkeys(("sqlite", "sqlite+pysqlite", "sqlite+aiosqlite"), "sqlite"),
    **dict.fromkeys(("postgres", "postgresql", "postgresql+psycopg"), "postgresql+psycopg"),
}
_EXAMPLES = "sqlite:////srv/aichat-backend/chat.db or postgresql://user:password@host/database"


def _let_it_be(_connection: Connection, _unwanted: Unwanted) -> AbstractContextManager[None]:
    """For transactions that come to their end whoever waits for them."""
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Access:
    """One way to a database, for some transactions at a time."""

    engine: Engine
    at_a_time: int
    begin: tuple[str, ...]
    """The first statements of each transaction."""
    recovery: Recovery = field(default_factory=NoRecovery)
    """What to do about transactions that fail."""
    watch: Watch = _let_it_be
    """Ends what a transaction is at when it is unwanted, or takes too long."""


def _trust() -> None:
    """For a database that looks after its own files."""


def _quote(error: DatabaseUnavailable) -> StorageError | None:
    """For a database whose own words must do."""
    if error.__cause__ is None:
        return None
    return InaccessibleDatabase(f"The database fails: {' '.join(error.detail.split())}.")


@dataclass(frozen=True, slots=True)
class Engines:
    """One database, reached in several ways."""

    name: str
    """What and where it is, for an operator: no user, no password."""
    reader: Access
    """Transactions that see a snapshot and change nothing."""
    searcher: Access
    """As the readers, for what takes its time."""
    writer: Access
    """Transactions that may write from their first statement on."""
    migrator: Access
    """For one transaction that changes the schema while other processes wait for it."""
    keeper: Access
    """For `forget`, which keeps no transaction waiting for its connection."""
    insert: InsertOrUpdate
    """Makes INSERT statements that know this database's `ON CONFLICT`."""
    forget: Callable[[], None]
    """Take out of the database's files what has been deleted; `OutOfTime` when others are in the way for too long."""
    verify: Callable[[], None] = _trust
    """Look whether all of the database can be read; raises `DamagedDatabase`."""
    diagnose: Callable[[DatabaseUnavailable], StorageError | None] = _quote
    """What an operator can do about a transaction that failed; None when there is nothing to do."""


async def open_engines(url: str) -> Engines:
    """Engines for the database of that URL; a new SQLite file is created.

    Raises:
        UnsupportedDatabase: when this version cannot use such a database.
        InaccessibleDatabase: when its file or its server cannot be reached.
        DamagedDatabase: when its file is not a database.
    """
    parsed = parse(url)
    # Imported here, so that only the driver in use is loaded.
    if parsed.get_backend_name() == "sqlite":
        from aichat_backend.storage.sqlite import open_sqlite

        return await asyncio.to_thread(open_sqlite, parsed)
    from aichat_backend.storage.postgres import open_postgres

    return await asyncio.to_thread(open_postgres, parsed)


def connect_alone(url: str) -> AbstractContextManager[Connection]:
    """A connection to a database that nobody else uses meanwhile; a new SQLite file is created.

    Raises:
        DatabaseInUse: somebody does.
        StorageError: it cannot be reached or used.
    """
    parsed = parse(url)
    if parsed.get_backend_name() == "sqlite":
        from aichat_backend.storage import sqlite

        return sqlite.connect_alone(parsed)
    from aichat_backend.storage import postgres

    return postgres.connect_alone(parsed)


def parse(url: str) -> URL:
    """The URL in its parts, under the driver's name that we use.

    Raises:
        UnsupportedDatabase: when this version cannot use such a database.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        # Neither the message nor the cause: both may quote a password.
        raise UnsupportedDatabase(f"The database URL cannot be understood. Give one such as {_EXAMPLES}.") from None
    driver = _DRIVERS.get(parsed.drivername)
    if driver is None:
        raise UnsupportedDatabase(
            f"Databases of kind {parsed.drivername!r} are not supported. Give a URL such as {_EXAMPLES}."
        )
    return parsed.set(drivername=driver)


def missing_file(url: str) -> Path | None:
    """The SQLite file that is not there yet. Whoever only looks must not create it: it may be another user."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        return None
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:" or parsed.query:
        return None
    file = Path(parsed.database)
    return None if file.exists() else file
