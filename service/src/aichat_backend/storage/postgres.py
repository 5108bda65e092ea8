"""Everything that is particular to PostgreSQL: connections, their settings, the way of beginning a transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.pool import QueuePool

from aichat_backend.storage.advisory_locks import AdvisoryLock
from aichat_backend.storage.engines import Access, Engines
from aichat_backend.storage.errors import (
    DatabaseInUse,
    InaccessibleDatabase,
    UnreachableDatabase,
    UnsupportedDatabase,
    is_failure,
    unavailable_when_failing,
)
from aichat_backend.storage.postgres_cancel import cancelled_when_unwanted
from aichat_backend.storage.postgres_recovery import ConflictRecovery, WriterRecovery
from aichat_backend.storage.tables import metadata

if TYPE_CHECKING:
    from sqlalchemy.engine import ExceptionContext
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

    from aichat_backend.storage.recovery import Recovery

READERS = 4
"""Connections that read at a time; each is a thread."""

SEARCHERS = 2
"""Further connections that search, so that nobody who reads or asks whether all is well waits for that."""

WRITERS = 4
"""Connections that write at a time; each is a thread."""

READ_SECONDS = 30
"""How long one statement of a reader may take."""

SEARCH_SECONDS = 10
"""How long one statement of a search may take."""

WRITE_SECONDS = 300
"""How long one statement of a writer may take: who leaves may leave a million messages."""

VACUUM_SECONDS = 3600
"""How long the vacuum of one table may take."""

IDLE_SECONDS = 60
"""How long a transaction may wait for its own process: one that hangs must not keep its locks."""

LOCK_SECONDS = 10
"""How long a statement waits for another transaction's rows."""

MIGRATION_LOCK_SECONDS = 120
"""How long a start waits for another process that is changing the schema."""

OLDEST_SERVER = 15

_UNENDING = 0

_ALONE_SECONDS = 1.0
_BETWEEN_ATTEMPTS = 0.02

_CONNECTING: dict[str, Any] = {
    # The driver begins nothing by itself.
    "autocommit": True,
    "connect_timeout": 5,
    "client_encoding": "utf8",
    # A server that vanished without a word is noticed within half a minute, also in the middle of an answer.
    "keepalives": 1,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    # Our statements are few, and each is built once: nearly all are worth preparing.
    "prepare_threshold": 2,
}

_BEGIN_READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

_TRY_ALONE = text(f"SELECT pg_try_advisory_lock({AdvisoryLock.USE})")
_NEEDED = text("SELECT CAST(current_setting('server_version_num') AS integer), current_setting('server_encoding')")


def open_postgres(url: URL) -> Engines:
    """Engines for the PostgreSQL database that the URL names.

    Raises:
        UnreachableDatabase: when the server does not answer, or does not let us in.
        UnsupportedDatabase: when the URL has an option that there is not, or the server is not one that we can use.
    """
    if not url.database:
        raise UnsupportedDatabase("A PostgreSQL URL needs the name of a database: postgresql://user@host/database")
    # Everybody sees one snapshot, and of two writers who change the same row one runs again. Serializable writers got
    # in each other's way without need: who reads a long history has read all of the table, as the server sees it.
    writer = _access(
        url, WRITERS, WRITE_SECONDS, LOCK_SECONDS, "BEGIN ISOLATION LEVEL REPEATABLE READ", recovery=WriterRecovery()
    )
    event.listen(writer.engine, "connect", _tell_that_it_is_used)
    try:
        _require_usable(writer.engine, url)
    except BaseException:
        writer.engine.dispose()
        raise
    searcher = _access(url, SEARCHERS, SEARCH_SECONDS, LOCK_SECONDS, _BEGIN_READING, recovery=ConflictRecovery())
    keeper = _access(url, 1, VACUUM_SECONDS, LOCK_SECONDS)
    return Engines(
        name=_name(url),
        reader=_access(url, READERS, READ_SECONDS, LOCK_SECONDS, _BEGIN_READING, recovery=ConflictRecovery()),
        searcher=replace(searcher, watch=cancelled_when_unwanted),
        writer=writer,
        # Without a snapshot of its own: who has waited for the lock must see what was changed meanwhile.
        migrator=_access(
            url,
            1,
            _UNENDING,
            MIGRATION_LOCK_SECONDS,
            "BEGIN ISOLATION LEVEL READ COMMITTED",
            f"SELECT pg_advisory_xact_lock({AdvisoryLock.UPGRADE})",
            recovery=ConflictRecovery(),
        ),
        keeper=keeper,
        insert=insert,
        forget=partial(_vacuum, keeper.engine),
    )


@contextmanager
def connect_alone(url: URL) -> Iterator[Connection]:
    """A connection to a database that no service uses meanwhile; nothing begins by itself on it.

    Raises:
        DatabaseInUse: a service is connected.
        UnreachableDatabase: when the server does not answer, or does not let us in.
        UnsupportedDatabase: when the URL has an option that there is not, or the server is not one that we can use.
    """
    engine = _access(url, 1, _UNENDING, LOCK_SECONDS).engine
    try:
        _require_usable(engine, url)
        with engine.connect() as connection:
            if not _is_alone(connection):
                raise DatabaseInUse(
                    f"{_name(url)} is in use: a running aichat-backend is connected to it. Stop the service first."
                )
            event.listen(engine, "handle_error", partial(_tell_trouble, url=url))
            yield connection
    finally:
        engine.dispose()


def _tell_trouble(context: ExceptionContext, url: URL) -> None:
    """Of two databases that are used side by side, say which one has failed."""
    error = context.sqlalchemy_exception
    if isinstance(error, exc.DBAPIError) and is_failure(error):
        raise InaccessibleDatabase(f"{_name(url)} fails: {_first_line(error)}.") from error


def _is_alone(connection: Connection) -> bool:
    """Whether nobody else is there; who has just left may need a moment until the server knows."""
    deadline = monotonic() + _ALONE_SECONDS
    while not connection.execute(_TRY_ALONE).scalar_one():
        if monotonic() > deadline:
            return False
        sleep(_BETWEEN_ATTEMPTS)
    return True


def place(url: URL) -> str:
    """Where the server is, as an operator knows it: no name of a user, no password."""
    host = url.host or url.query.get("host")
    if isinstance(host, tuple):
        host = ", ".join(host)
    return f"{host}:{url.port or 5432}" if host else "the local socket"


def _name(url: URL) -> str:
    return f"PostgreSQL at {place(url)}, database {url.database!r}"


def _access(
    url: URL,
    at_a_time: int,
    statement_seconds: float,
    lock_seconds: int,
    *begin: str,
    recovery: Recovery | None = None,
) -> Access:
    settings = {
        "statement_timeout": f"{statement_seconds}s",
        "lock_timeout": f"{lock_seconds}s",
        "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s",
        "application_name": "aichat-backend",
    }
    # What the operator's URL says comes last, and so wins.
    options = " ".join((*(f"-c {name}={value}" for name, value in settings.items()), _given(url, "options")))
    engine = create_engine(
        url.difference_update_query(["options"]),
        connect_args={**_CONNECTING, **{name: _given(url, name) for name in _CONNECTING.keys() & url.query.keys()}}
        | {"options": options.rstrip()},
        poolclass=QueuePool,
        pool_size=at_a_time,
        max_overflow=0,
        use_native_hstore=False,
        # Parameters are people's messages: they stay out of error texts and logs.
        hide_parameters=True,
    )
    event.listen(engine, "handle_error", _keep_rows_out)
    return Access(engine, at_a_time, begin) if recovery is None else Access(engine, at_a_time, begin, recovery)


def _given(url: URL, name: str) -> str:
    value = url.query.get(name, "")
    return value if isinstance(value, str) else value[-1]


def _keep_rows_out(context: ExceptionContext) -> None:
    """Leave the error's first line, which says what is wrong; the details quote the row, and so people's messages."""
    error = context.original_exception
    if isinstance(error, psycopg.Error) and error.diag.message_primary:
        whole, told = str(error), error.diag.message_primary
        error.args = (told,)
        if context.sqlalchemy_exception is not None:
            shown = context.sqlalchemy_exception
            shown.args = tuple(str(argument).replace(whole, told) for argument in shown.args)


def _tell_that_it_is_used(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute(f"SELECT pg_try_advisory_lock_shared({AdvisoryLock.USE})")
    (shared,) = cursor.fetchone() or (False,)
    cursor.close()
    if not shared:
        connection.close()
        raise psycopg.OperationalError("the database is being copied, which must end first")


def _require_usable(engine: Engine, url: URL) -> None:
    try:
        with engine.connect() as connection:
            version, encoding = connection.execute(_NEEDED).one()
    except exc.ProgrammingError as error:
        # The driver names the option; the cause is left out, since it may quote the whole URL.
        raise UnsupportedDatabase(f"The database URL cannot be used: {_first_line(error)}.") from None
    except exc.DBAPIError as error:
        raise UnreachableDatabase(
            f"The PostgreSQL server at {place(url)} cannot be used: {_first_line(error)}."
            " Start it, or correct the database's settings."
        ) from error
    if version < OLDEST_SERVER * 10_000:
        raise UnsupportedDatabase(
            f"The PostgreSQL server at {place(url)} is of version {version // 10_000};"
            f" {OLDEST_SERVER} or a newer one is needed."
        )
    if encoding != "UTF8":
        raise UnsupportedDatabase(
            f"The PostgreSQL database {url.database!r} keeps its text as {encoding}; create one with ENCODING 'UTF8'."
        )


def _first_line(error: exc.DBAPIError) -> str:
    lines = str(error.orig).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error.orig).__name__


def _vacuum(engine: Engine) -> None:
    """Take removed rows out of tables and indexes, so that nobody finds them there any more."""
    try:
        with unavailable_when_failing(), engine.connect() as connection:
            for table in sorted(metadata.tables):
                connection.exec_driver_sql(f'VACUUM (INDEX_CLEANUP ON) "{table}"')
    finally:
        # It is not needed for an hour, in which it would get lost unseen.
        engine.dispose()
