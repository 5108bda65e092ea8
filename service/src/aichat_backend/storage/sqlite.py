"""Everything that is particular to SQLite: its settings, its log, its way of beginning a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from aichat_backend.storage.engines import Access, Engines
from aichat_backend.storage.errors import (
    DatabaseInUse,
    DatabaseUnavailable,
    InaccessibleDatabase,
    OutOfTime,
    UnsupportedDatabase,
    is_failure,
)
from aichat_backend.storage.sqlite_file import DatabaseFile
from aichat_backend.storage.sqlite_interrupt import interrupted_after
from aichat_backend.storage.sqlite_trouble import damaged, diagnosed, trouble_of

if TYPE_CHECKING:
    from sqlalchemy.engine import ExceptionContext

T = TypeVar("T")

READERS = 4
"""Connections that read at a time; each is a thread."""

SEARCHERS = 2
"""Further connections that search, so that nobody who reads or asks whether all is well waits for that."""

SEARCH_SECONDS = 10.0
"""How long a search may take."""

WRITERS = 1
"""SQLite lets no more than one write at a time, whatever the process."""

BUSY_SECONDS = 10.0
"""How long a transaction waits for another process's writer."""

KEEPER_BUSY_SECONDS = 0.1
"""How long emptying the log waits for readers. All writers wait for it meanwhile, so it is tried again instead."""

MIGRATION_BUSY_SECONDS = 120.0
"""How long a start waits for another process that is changing the schema."""

_BETWEEN_ATTEMPTS = 0.01

_ALONE_SECONDS = 1.0

# FULL: a commit is on the disk before it is reported, so that an answer survives a power cut as well as a kill.
# It costs one sync a commit (0.6 ms measured), and a turn commits twice.
_DURABLE = "PRAGMA synchronous = FULL"

_READING = "PRAGMA query_only = ON"

# What is deleted is overwritten with zeros on the spot. The other way to be rid of it, VACUUM, writes the whole file
# anew for each user who wants to be forgotten, and keeps every writer waiting meanwhile.
_ERASING = "PRAGMA secure_delete = ON"


def open_sqlite(url: URL) -> Engines:
    """Engines for the SQLite file that the URL names.

    Raises:
        UnsupportedDatabase: when it names no file.
        InaccessibleDatabase: when the file or its folder cannot be used.
        DamagedDatabase: when the file is not a database.
    """
    file = DatabaseFile.prepare(file_of(url))
    path = file.path
    writer = _access(file, "BEGIN IMMEDIATE", WRITERS, BUSY_SECONDS, "PRAGMA foreign_keys = ON", _ERASING)
    keeper = _access(file, "BEGIN", 1, KEEPER_BUSY_SECONDS)
    try:
        _use_write_ahead_log(writer.engine, path)
        # Opened here and kept, so that it is of this file also when another one has been put in its place.
        _use_write_ahead_log(keeper.engine, path)
    except BaseException:
        writer.engine.dispose()
        keeper.engine.dispose()
        raise
    reader = _access(file, "BEGIN", READERS, BUSY_SECONDS, _READING)
    searcher = _access(file, "BEGIN", SEARCHERS, BUSY_SECONDS, _READING)
    return Engines(
        name=_name(path),
        reader=reader,
        searcher=replace(searcher, watch=partial(interrupted_after, SEARCH_SECONDS)),
        writer=writer,
        # Without foreign keys: SQLite changes a table by replacing it, and dropping the old one would cascade.
        migrator=_access(file, "BEGIN IMMEDIATE", 1, MIGRATION_BUSY_SECONDS, "PRAGMA foreign_keys = OFF", _ERASING),
        keeper=keeper,
        insert=insert,
        forget=partial(_empty_write_ahead_log, keeper.engine),
        verify=partial(_require_sound, reader.engine, path),
        diagnose=partial(diagnosed, path=path),
    )


@contextmanager
def connect_alone(url: URL) -> Iterator[Connection]:
    """A connection to a file that no other process has open meanwhile; nothing begins by itself on it.

    Raises:
        DatabaseInUse: another process has it open, such as a running service.
        InaccessibleDatabase: when the file or its folder cannot be used.
        DamagedDatabase: when the file is not a database.
    """
    file = DatabaseFile.prepare(file_of(url))
    # With a write-ahead log, who has the file open keeps a shared lock on it, idle or not; it ends with the process.
    engine = _access(file, "BEGIN EXCLUSIVE", 1, _ALONE_SECONDS, "PRAGMA locking_mode = EXCLUSIVE").engine
    try:
        with engine.connect() as connection:
            _take(connection, file.path)
            event.listen(engine, "handle_error", partial(_tell_trouble, path=file.path))
            yield connection
    finally:
        engine.dispose()


def _tell_trouble(context: ExceptionContext, path: Path) -> None:
    """Of two databases that are used side by side, say which one has failed."""
    error = context.original_exception
    if is_failure(context.sqlalchemy_exception) and isinstance(error, sqlite3.Error):
        raise trouble_of(error, path) from error


def _take(connection: Connection, path: Path) -> None:
    try:
        connection.exec_driver_sql("BEGIN EXCLUSIVE")
        connection.commit()
    except exc.OperationalError as error:
        raise DatabaseInUse(
            f"{_name(path)} is in use: another process has it open ({error.orig}). Stop the service first."
        ) from error
    except exc.DatabaseError as error:
        raise damaged(path) from error


def file_of(url: URL) -> Path:
    """The file that the URL names.

    Raises:
        UnsupportedDatabase: when it names none.
    """
    file = url.database
    if not file or file == ":memory:" or url != URL.create(url.drivername, database=file):
        raise UnsupportedDatabase(
            "A SQLite database URL needs a file path and nothing else: sqlite:////path/to/chat.db"
        )
    return Path(file)


def _name(path: Path) -> str:
    return f"SQLite in {path}"


def _access(file: DatabaseFile, begin: str, at_a_time: int, busy_seconds: float, *settings: str) -> Access:
    engine = create_engine(
        URL.create("sqlite", database=str(file.path)),
        # Without an isolation level the driver begins nothing by itself.
        connect_args={"isolation_level": None, "timeout": busy_seconds},
        poolclass=QueuePool,
        pool_size=at_a_time,
        max_overflow=0,
        # Parameters are people's messages: they stay out of error texts and logs.
        hide_parameters=True,
    )
    event.listen(engine, "connect", _setter(_DURABLE, *settings))
    event.listen(engine, "begin", lambda _connection: file.require_same())
    return Access(engine, at_a_time, (begin,))


def _setter(*settings: str) -> Callable[[DBAPIConnection, ConnectionPoolEntry], None]:
    def apply(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for setting in settings:
            cursor.execute(setting)
        cursor.close()

    return apply


def _use_write_ahead_log(engine: Engine, path: Path) -> None:
    """Switch the file to WAL, once for its lifetime: readers then never wait for the writer."""
    try:
        (mode,) = _patiently(lambda: _outside_transactions(engine, "PRAGMA journal_mode = WAL"))
    except sqlite3.DatabaseError as error:
        raise trouble_of(error, path) from error
    if mode != "wal":
        raise InaccessibleDatabase(f"The database {path} lies on a file system without shared memory; use a local one.")


def _patiently(attempt: Callable[[], T]) -> T:
    """Try again while other processes that start use the file: for this switch, SQLite does not wait by itself."""
    deadline = monotonic() + BUSY_SECONDS
    while True:
        try:
            return attempt()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or monotonic() > deadline:
                raise
            sleep(_BETWEEN_ATTEMPTS)


def _empty_write_ahead_log(engine: Engine) -> None:
    """Copy the log into the file, once everybody has read on from what it replaces, and cut it to nothing."""
    try:
        # While others write, who wait for the rest alone; and not even for that, when somebody needs the log.
        (busy, pages, copied) = _outside_transactions(engine, "PRAGMA wal_checkpoint(PASSIVE)")
        if not busy and copied == pages:
            (busy, pages, copied) = _outside_transactions(engine, "PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.DatabaseError as error:
        raise DatabaseUnavailable(str(error)) from error
    if busy or copied != pages:
        raise OutOfTime("somebody keeps reading what was removed")


def _require_sound(engine: Engine, path: Path) -> None:
    """Read the whole file, which takes its time, and refuse one in which something does not fit."""
    try:
        (finding,) = _outside_transactions(engine, "PRAGMA quick_check(1)")
    except sqlite3.DatabaseError as error:
        raise trouble_of(error, path) from error
    if finding != "ok":
        raise damaged(path)


def _outside_transactions(engine: Engine, pragma: str) -> tuple[Any, ...]:
    with closing(engine.raw_connection()) as connection:
        driver = connection.driver_connection
        assert driver is not None  # noqa: S101
        row: tuple[Any, ...] = driver.execute(pragma).fetchone()
        return row
