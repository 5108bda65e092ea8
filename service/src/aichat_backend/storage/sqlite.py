"""Everything that is particular to SQLite: its file, its settings, its way of beginning a transaction."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from aichat_backend.storage.engines import Access, Engines
from aichat_backend.storage.errors import (
    DamagedDatabase,
    DatabaseInUse,
    DatabaseUnavailable,
    InaccessibleDatabase,
    UnsupportedDatabase,
)

T = TypeVar("T")

READERS = 4
"""Connections that read at a time; each is a thread."""

WRITERS = 1
"""SQLite lets no more than one write at a time, whatever the process."""

BUSY_SECONDS = 10.0
"""How long a transaction waits for another process's writer."""

MIGRATION_BUSY_SECONDS = 120.0
"""How long a start waits for another process that is changing the schema."""

_BETWEEN_ATTEMPTS = 0.01

_ALONE_SECONDS = 1.0

_PRIVATE = 0o600
_COMPANIONS = ("-wal", "-shm", "-journal")

# FULL: a commit is on the disk before it is reported, so that an answer survives a power cut as well as a kill.
# It costs one sync a commit (0.6 ms measured), and a turn commits twice.
_DURABLE = "PRAGMA synchronous = FULL"

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
    path = _prepare_file(file_of(url))
    writer = _access(path, "BEGIN IMMEDIATE", WRITERS, BUSY_SECONDS, "PRAGMA foreign_keys = ON", _ERASING)
    try:
        _use_write_ahead_log(writer.engine, path)
    except BaseException:
        writer.engine.dispose()
        raise
    return Engines(
        name=_name(path),
        reader=_access(path, "BEGIN", READERS, BUSY_SECONDS, "PRAGMA query_only = ON"),
        writer=writer,
        # Without foreign keys: SQLite changes a table by replacing it, and dropping the old one would cascade.
        migrator=_access(path, "BEGIN IMMEDIATE", 1, MIGRATION_BUSY_SECONDS, "PRAGMA foreign_keys = OFF", _ERASING),
        insert=insert,
        forget=partial(_empty_write_ahead_log, writer.engine),
    )


@contextmanager
def connect_alone(url: URL) -> Iterator[Connection]:
    """A connection to a file that no other process has open meanwhile; nothing begins by itself on it.

    Raises:
        DatabaseInUse: another process has it open, such as a running service.
        InaccessibleDatabase: when the file or its folder cannot be used.
        DamagedDatabase: when the file is not a database.
    """
    path = _prepare_file(file_of(url))
    # With a write-ahead log, who has the file open keeps a shared lock on it, idle or not; it ends with the process.
    engine = _access(path, "BEGIN EXCLUSIVE", 1, _ALONE_SECONDS, "PRAGMA locking_mode = EXCLUSIVE").engine
    try:
        with engine.connect() as connection:
            _take(connection, path)
            yield connection
    finally:
        engine.dispose()


def _take(connection: Connection, path: Path) -> None:
    try:
        connection.exec_driver_sql("BEGIN EXCLUSIVE")
        connection.commit()
    except exc.OperationalError as error:
        raise DatabaseInUse(
            f"{_name(path)} is in use: another process has it open ({error.orig}). Stop the service first."
        ) from error
    except exc.DatabaseError as error:
        raise _damaged(path, error.orig) from error


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


def _damaged(path: Path, error: BaseException | None) -> DamagedDatabase:
    return DamagedDatabase(
        f"{path} is not a SQLite database, or it is damaged: {error}. Restore a backup, or move the file away."
    )


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


def _access(path: Path, begin: str, at_a_time: int, busy_seconds: float, *settings: str) -> Access:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        # Without an isolation level the driver begins nothing by itself.
        connect_args={"isolation_level": None, "timeout": busy_seconds},
        poolclass=QueuePool,
        pool_size=at_a_time,
        max_overflow=0,
        # Parameters are people's messages: they stay out of error texts and logs.
        hide_parameters=True,
    )
    event.listen(engine, "connect", _setter(_DURABLE, *settings))
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
    except sqlite3.OperationalError as error:
        raise InaccessibleDatabase(f"The database {path} cannot be opened: {error}.") from error
    except sqlite3.DatabaseError as error:
        raise _damaged(path, error) from error
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
        (busy, *_pages) = _outside_transactions(engine, "PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.DatabaseError as error:
        raise DatabaseUnavailable(str(error)) from error
    if busy:
        raise DatabaseUnavailable("another process keeps reading what was removed")


def _outside_transactions(engine: Engine, pragma: str) -> tuple[Any, ...]:
    with closing(engine.raw_connection()) as connection:
        driver = connection.driver_connection
        assert driver is not None  # noqa: S101
        row: tuple[Any, ...] = driver.execute(pragma).fetchone()
        return row
