"""Everything that is particular to SQLite: its file, its settings, its way of beginning a transaction."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import URL, Connection, event
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry

from aichat_backend.storage.engines import Engines
from aichat_backend.storage.errors import DamagedDatabase, InaccessibleDatabase, UnsupportedDatabase

READERS = 4
"""Connections that read at a time; each is a thread."""

BUSY_SECONDS = 10.0
"""How long a transaction waits for another process's writer."""

MIGRATION_BUSY_SECONDS = 120.0
"""How long a start waits for another process that is changing the schema."""

_PRIVATE = 0o600
_COMPANIONS = ("-wal", "-shm", "-journal")

# At DEBUG the driver writes every parameter, people's messages among them.
logging.getLogger("aiosqlite").setLevel(logging.INFO)

# FULL: a commit is on the disk before it is reported, so that an answer survives a power cut as well as a kill.
# It costs one sync a commit (0.6 ms measured), and a turn commits twice.
_DURABLE = "PRAGMA synchronous = FULL"


async def open_sqlite(url: URL) -> Engines:
    """Engines for the SQLite file that the URL names.

    Raises:
        UnsupportedDatabase: when it names no file.
        InaccessibleDatabase: when the file or its folder cannot be used.
        DamagedDatabase: when the file is not a database.
    """
    file = url.database
    if not file or file == ":memory:" or url != URL.create(url.drivername, database=file):
        raise UnsupportedDatabase(
            "A SQLite database URL needs a file path and nothing else: sqlite:////path/to/chat.db"
        )
    path = await asyncio.to_thread(_prepare_file, Path(file))
    engines = Engines(
        reader=_engine(path, "BEGIN", READERS, BUSY_SECONDS, "PRAGMA query_only = ON"),
        writer=_engine(path, "BEGIN IMMEDIATE", 1, BUSY_SECONDS, "PRAGMA foreign_keys = ON"),
        # Without foreign keys: SQLite changes a table by replacing it, and dropping the old one would cascade.
        migrator=_engine(path, "BEGIN IMMEDIATE", 1, MIGRATION_BUSY_SECONDS, "PRAGMA foreign_keys = OFF"),
        insert=insert,
    )
    try:
        await _use_write_ahead_log(engines.writer, path)
    except BaseException:
        await engines.dispose()
        raise
    return engines


def _prepare_file(path: Path) -> Path:
    """Make sure that the file exists, is private and can be written; SQLite gives its companions the same mode."""
    path = path.absolute()
    folder = path.parent
    if not folder.is_dir():
        raise InaccessibleDatabase(f"The folder {folder} of the database does not exist. Create it first.")
    try:
        _create(path)
    except FileExistsError:
        _make_private(path)
    except OSError as error:
        raise InaccessibleDatabase(
            f"The database {path} cannot be created: {error.strerror}. The service's user must own the folder {folder}."
        ) from error
    # SQLite writes beside the file as well, so the folder counts too.
    if not _may(folder, os.W_OK | os.X_OK) or not _may(path, os.R_OK | os.W_OK):
        raise InaccessibleDatabase(
            f"The database {path} cannot be written. The service's user must own it and the folder {folder}."
        )
    return path


def _create(path: Path) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, _PRIVATE)
    try:
        if os.geteuid() == 0:
            # Root looking after a service must not leave behind a file that the service cannot open.
            owner = path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
    finally:
        os.close(descriptor)


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=True)


def _make_private(path: Path) -> None:
    """Take away from others what an earlier owner's umask gave them.

    By name, never through a descriptor: closing one would drop the locks this process holds on the file.
    """
    for file in (path, *(path.with_name(path.name + suffix) for suffix in _COMPANIONS)):
        try:
            status = file.stat()
            if status.st_uid == os.geteuid() and status.st_mode & 0o077:
                file.chmod(_PRIVATE)
        except FileNotFoundError:
            continue


def _engine(path: Path, begin: str, connections: int, busy_seconds: float, setting: str) -> AsyncEngine:
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        # Without an isolation level the driver begins nothing by itself; the listener below does.
        connect_args={"isolation_level": None, "timeout": busy_seconds},
        poolclass=AsyncAdaptedQueuePool,
        pool_size=connections,
        max_overflow=0,
        # Parameters are people's messages: they stay out of error texts and logs.
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "connect", _setter(_DURABLE, setting))
    event.listen(engine.sync_engine, "begin", _beginner(begin))
    return engine


def _setter(*settings: str) -> Callable[[DBAPIConnection, ConnectionPoolEntry], None]:
    def apply(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for setting in settings:
            cursor.execute(setting)
        cursor.close()

    return apply


def _beginner(statement: str) -> Callable[[Connection], None]:
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

    return begin


async def _use_write_ahead_log(engine: AsyncEngine, path: Path) -> None:
    """Switch the file to WAL, once for its lifetime: readers then never wait for the writer."""
    try:
        async with engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None  # noqa: S101
            async with driver.execute("PRAGMA journal_mode = WAL") as cursor:
                (mode,) = await cursor.fetchone()
    except OperationalError as error:
        raise InaccessibleDatabase(f"The database {path} cannot be opened: {error.orig}.") from error
    except DBAPIError as error:
        raise DamagedDatabase(
            f"{path} is not a SQLite database, or it is damaged: {error.orig}. Restore a backup, or move the file away."
        ) from error
    if mode != "wal":
        raise InaccessibleDatabase(f"The database {path} lies on a file system without shared memory; use a local one.")
