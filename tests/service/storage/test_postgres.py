"""PostgreSQL as only PostgreSQL can be: away, restarted, in the way of itself, refusing, out of date."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, event, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from aichat_backend.chat.conversation import Session, random_id
from aichat_backend.chat.files import NewFile
from aichat_backend.chat.parts import TextPart
from aichat_backend.errors import Unavailable
from aichat_backend.storage import postgres_recovery
from aichat_backend.storage.database import Database
from aichat_backend.storage.errors import (
    DatabaseUnavailable,
    OutcomeUnknown,
    StorageError,
    UnreachableDatabase,
    UnsupportedDatabase,
)
from aichat_backend.storage.files import SqlFileStore
from aichat_backend.storage.rows import session_row
from aichat_backend.storage.tables import metadata, sessions
from aichat_backend.storage.turns import SqlTurnStore
from fakes.conversations import all_messages, answer, approval_of_calls, ask, texts
from fakes.databases import ON_POSTGRES
from fakes.postgres import PostgresServer, postgres_server
from fakes.sql import change, column
from fakes.stores import HERE, Store

pytestmark = [pytest.mark.thorough, ON_POSTGRES]

NOW = datetime.now(UTC)
ROW = session_row(Session("s", "1", "t", NOW, NOW), message_count=0)


@pytest.fixture
def own_server(kind: str) -> Iterator[PostgresServer]:  # noqa: ARG001 - this is the server of that kind
    """A server that the test may stop; what it has committed is on the disk."""
    with postgres_server(durable=True) as server:
        yield server


@pytest.fixture
async def own_database(own_server: PostgresServer) -> AsyncIterator[Database]:
    database = await Database.open(own_server.create("own"))
    await database.upgrade()
    yield database
    await database.close()


async def test_a_server_that_was_restarted_is_used_again_as_if_nothing_had_been(
    own_server: PostgresServer, own_database: Database
) -> None:
    store = Store(own_database)
    turns = await asyncio.gather(*(ask(store, "1", f"s{number}", "before") for number in range(8)))

    await asyncio.to_thread(own_server.stop)
    await asyncio.to_thread(own_server.start)

    assert all(await asyncio.gather(*(store.close_turn(turn, answer("after")) for turn in turns)))
    for number in range(8):
        assert await texts(store, "1", f"s{number}") == ["before", "after"]


async def test_while_the_server_is_away_everything_is_unavailable_and_then_all_is_there(
    own_server: PostgresServer, own_database: Database
) -> None:
    store = Store(own_database)
    turn = await ask(store, "1", "s", "before")
    await asyncio.to_thread(own_server.kill)

    for call in (
        own_database.ping(),
        all_messages(store, "1", "s"),
        ask(store, "1", "s"),
        store.close_turn(turn, answer("x")),
    ):
        with pytest.raises(Unavailable) as away:
            await call
        assert (away.value.status, away.value.code) == (503, "database_unavailable")
        assert away.value.retry_after

    await asyncio.to_thread(own_server.start)

    assert await store.close_turn(turn, answer("after"))
    assert await texts(store, "1", "s") == ["before", "after"]


async def test_a_transaction_whose_connection_is_lost_midway_leaves_nothing(
    own_server: PostgresServer, own_database: Database
) -> None:
    def lose(connection: Connection) -> None:
        connection.execute(insert(sessions), ROW)
        own_server.execute(TERMINATE_OTHERS, "own")
        connection.execute(select(sessions.c.pk))

    with pytest.raises(DatabaseUnavailable):
        await own_database.write(lose)

    assert await column(own_database, "SELECT id FROM sessions") == []


TERMINATE_OTHERS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


class LostCommit:
    """Loses the connection of the next commit, before or after the server has done it."""

    def __init__(self, database: Database, *, done: bool) -> None:
        self._dialect = database._writing._engine.dialect
        self._done = done
        self.lost = 0

    def __enter__(self) -> LostCommit:
        self._dialect.do_commit = self._lose  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        del self._dialect.do_commit

    def _lose(self, connection: Any) -> None:
        if self._done:
            connection.commit()
        connection.driver_connection.close()
        self.lost += 1
        raise psycopg.OperationalError("the connection is lost")


@pytest.mark.parametrize("done", [True, False])
async def test_of_a_commit_without_answer_the_server_is_asked_what_became(database: Database, *, done: bool) -> None:
    runs = 0

    def write(connection: Connection) -> str:
        nonlocal runs
        runs += 1
        connection.execute(insert(sessions), ROW)
        return "stored"

    with LostCommit(database, done=done) as commit:
        if done:
            assert await database.write(write) == "stored"
        else:
            with pytest.raises(DatabaseUnavailable, match="the connection is lost"):
                await database.write(write)

    assert (commit.lost, runs) == (1, 1)
    assert await column(database, "SELECT id FROM sessions") == (["s"] if done else [])


async def test_when_all_connections_are_lost_in_their_commits_each_one_is_asked_about(database: Database) -> None:
    names = [f"s{number}" for number in range(12)]

    def storing(name: str) -> Callable[[Connection], None]:
        return lambda connection: connection.execute(insert(sessions), {**ROW, "id": name}) and None

    with LostCommit(database, done=True):
        async with asyncio.timeout(20):
            await asyncio.gather(*(database.write(storing(name)) for name in names))

    assert sorted(await column(database, "SELECT id FROM sessions")) == sorted(names)


async def test_a_commit_of_which_nobody_can_say_what_became_is_not_repeated(
    own_server: PostgresServer, own_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_recovery, "PATIENCE", 0.0)
    runs = 0

    def write(connection: Connection) -> None:
        nonlocal runs
        runs += 1
        connection.execute(insert(sessions), ROW)
        own_server.kill()

    with pytest.raises(OutcomeUnknown) as unknown:
        await own_database.write(write)

    assert (runs, unknown.value.status) == (1, 503)


async def test_what_others_get_in_the_way_of_runs_again(database: Database) -> None:
    await change(database, "CREATE TABLE counter (n integer)", "INSERT INTO counter VALUES (0)")

    def increment(connection: Connection) -> None:
        # Read first, as a careless program does: only the order in which they ran decides.
        before = connection.execute(text("SELECT n FROM counter")).scalar_one()
        connection.execute(text("UPDATE counter SET n = :n"), {"n": before + 1})

    await asyncio.gather(*(database.write(increment) for _ in range(20)))

    assert await column(database, "SELECT n FROM counter") == [20]


async def test_transactions_that_wait_for_each_other_are_both_done(database: Database) -> None:
    await change(database, "CREATE TABLE pair (id integer, n integer)", "INSERT INTO pair VALUES (1, 0), (2, 0)")
    both = threading.Barrier(2)
    met: set[str] = set()

    def crosswise(name: str, first: int, second: int) -> Any:
        def work(connection: Connection) -> None:
            connection.execute(text("UPDATE pair SET n = n + 1 WHERE id = :id"), {"id": first})
            if name not in met:
                met.add(name)
                both.wait(5)
            connection.execute(text("UPDATE pair SET n = n + 1 WHERE id = :id"), {"id": second})

        return work

    await asyncio.gather(database.write(crosswise("a", 1, 2)), database.write(crosswise("b", 2, 1)))

    assert await column(database, "SELECT n FROM pair") == [2, 2]


async def test_who_is_always_in_the_way_makes_the_database_unavailable(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_recovery, "ATTEMPTS", 3)
    runs = 0

    def conflict(connection: Connection) -> None:
        nonlocal runs
        runs += 1
        connection.execute(text("DO $$ BEGIN RAISE EXCEPTION 'in the way' USING ERRCODE = '40001'; END $$"))

    with pytest.raises(DatabaseUnavailable, match="in the way"):
        await database.write(conflict)

    assert runs == 3


async def test_a_file_that_is_kept_while_its_last_message_is_deleted_stays(
    database: Database, store: Store, files: SqlFileStore
) -> None:
    file = NewFile("f", "text/plain", b"shared")
    for number in range(20):
        kept = await files.keep(file)
        await store.open_turn("1", f"s{number}", title="t", parts=(TextPart("See."), kept), context={})
        _, again = await asyncio.gather(store.delete_session("1", f"s{number}"), files.keep(file))
        assert await files.read(again.sha256) is not None
        await files.forget([again])
    assert await column(database, "SELECT sha256 FROM blobs") == []


async def test_contents_go_with_the_last_of_two_messages_that_leave_at_once(
    database: Database, store: Store, files: SqlFileStore
) -> None:
    for _ in range(20):
        for user in "12":
            kept = await files.keep(NewFile("f", "text/plain", b"shared"))
            await store.open_turn(user, "s", title="t", parts=(TextPart("See."), kept), context={})
        await asyncio.gather(*(store.clear_messages(user, "s") for user in "12"))
        assert await column(database, "SELECT sha256 FROM blobs") == []


async def test_an_answer_to_a_question_that_is_being_deleted_is_with_it_or_not_at_all(
    database: Database, store: Store
) -> None:
    for number in range(20):
        turn = await ask(store, "1", f"s{number}")
        await asyncio.gather(store.close_turn(turn, answer("late")), store.clear_messages("1", f"s{number}"))
        assert await texts(store, "1", f"s{number}") == []
    assert await column(database, "SELECT count(*) FROM messages") == [0]


async def test_a_question_that_is_answered_again_while_its_user_is_erased_is_not_under_way_for_ever(
    database: Database, store: Store
) -> None:
    """Otherwise another process would go on with it, and note the tools that it runs under the user's name."""
    await store.close_turn(await ask(store, "1", "s"), approval_of_calls("c"))
    held, go_on = threading.Event(), threading.Event()

    def slow_id() -> str:
        held.set()
        go_on.wait(10)
        return random_id()

    reopening = asyncio.create_task(SqlTurnStore(database, HERE, new_id=slow_id).reopen_turn("1", "s"))
    await asyncio.to_thread(held.wait)
    erasing = asyncio.create_task(store.take_all("1"))
    while await column(database, "SELECT count(*) FROM pg_locks WHERE NOT granted") == [0]:
        pass
    go_on.set()
    await asyncio.gather(reopening, erasing)

    assert await column(database, "SELECT id FROM runs") == []
    assert await column(database, "SELECT action FROM audit WHERE user_id = '1'") == []


async def test_erasing_leaves_no_row_behind_that_only_nobody_sees(database: Database, store: Store) -> None:
    await ask(store, "1", "s", "planted " * 100)

    await store.erase("1")

    dead = "SELECT pg_relation_size(oid) FROM pg_class WHERE oid = CAST('messages' AS regclass)"
    assert await column(database, dead) == [0]


async def test_what_people_say_is_in_no_error_whoever_quotes_the_row(database: Database) -> None:
    row = {**ROW, "title": "said in confidence", "updated_at": None}
    with pytest.raises(IntegrityError) as wrong:
        await database.write(lambda connection: connection.execute(insert(sessions), row))

    assert "updated_at" in str(wrong.value)
    assert "said in confidence" not in f"{wrong.value} {wrong.value.orig} {wrong.value.args}"


async def test_a_statement_that_takes_too_long_is_given_up(database: Database) -> None:
    def slow(connection: Connection) -> None:
        connection.execute(text("SET LOCAL statement_timeout = '10ms'"))
        connection.execute(text("SELECT pg_sleep(60)"))

    with pytest.raises(DatabaseUnavailable, match="statement timeout"):
        await database.write(slow)


@pytest.mark.parametrize(
    ("access", "settings"),
    [
        ("_reading", {"statement_timeout": "30s", "lock_timeout": "10s", "transaction_isolation": "repeatable read"}),
        ("_searching", {"statement_timeout": "10s", "lock_timeout": "10s", "transaction_isolation": "repeatable read"}),
        ("_writing", {"statement_timeout": "5min", "lock_timeout": "10s", "transaction_isolation": "repeatable read"}),
        ("_migrating", {"statement_timeout": "0", "lock_timeout": "2min", "transaction_isolation": "read committed"}),
    ],
)
async def test_every_connection_has_its_limits(url: str, access: str, settings: dict[str, str]) -> None:
    database = await Database.open(url)

    def read(connection: Connection) -> dict[str, str]:
        return {name: connection.execute(text(f"SHOW {name}")).scalar_one() for name in settings}

    assert await getattr(database, access).run(read) == settings
    await database.close()


async def test_options_of_the_url_win(url: str) -> None:
    database = await Database.open(f"{url}&options=-c%20statement_timeout%3D7s&application_name=other")

    assert await column(database, "SHOW statement_timeout") == ["7s"]
    assert await column(database, "SHOW lock_timeout") == ["10s"]
    await database.close()


async def test_what_runs_often_is_prepared(database: Database, store: Store) -> None:
    ran: list[Any] = []
    event.listen(database._reading._engine, "after_cursor_execute", lambda *given: ran.append(given[1].connection))
    await ask(store, "1", "s")
    for _ in range(20):
        await store.get_session("1", "s")

    assert any(connection._prepared._names for connection in ran)


async def test_a_standby_that_takes_no_writes_is_unavailable_for_them(database: Database) -> None:
    def write(connection: Connection) -> None:
        connection.execute(text("SET TRANSACTION READ ONLY"))
        connection.execute(update(sessions).values(title="x"))

    with pytest.raises(DatabaseUnavailable, match="read-only"):
        await database.write(write)


async def _refused(url: str, kind_of: type[StorageError]) -> str:
    with pytest.raises(kind_of) as refused:
        await Database.open(url)
    assert "\n" not in str(refused.value)
    assert "s3cret" not in str(refused.value)
    return str(refused.value)


async def test_a_server_that_is_not_there_is_named(kind: str) -> None:  # noqa: ARG001
    told = await _refused("postgresql://chat:s3cret@127.0.0.1:9/chat", UnreachableDatabase)

    assert "127.0.0.1:9" in told
    assert "refused" in told


async def test_a_database_that_is_not_there_is_named(postgres: PostgresServer, kind: str) -> None:  # noqa: ARG001
    assert '"nowhere" does not exist' in await _refused(postgres.url("nowhere"), UnreachableDatabase)


async def test_a_wrong_password_is_told_and_not_shown(postgres: PostgresServer, kind: str) -> None:  # noqa: ARG001
    told = await _refused(postgres.url("postgres").replace("tester@", "other:s3cret@"), UnreachableDatabase)

    assert '"other"' in told


async def test_an_option_that_there_is_not_is_named(url: str) -> None:
    assert "colour" in await _refused(f"{url}&colour=s3cret", UnsupportedDatabase)


async def test_a_url_without_database_is_refused(kind: str) -> None:  # noqa: ARG001
    assert "name of a database" in await _refused("postgresql://chat:s3cret@db", UnsupportedDatabase)


async def test_a_database_that_cannot_keep_all_text_is_refused(postgres: PostgresServer, kind: str) -> None:  # noqa: ARG001
    assert "UTF8" in await _refused(postgres.create(encoding="LATIN1"), UnsupportedDatabase)


async def test_every_table_is_vacuumed_after_an_erasure(database: Database, store: Store) -> None:
    await store.erase("1")

    assert set(await column(database, "SELECT relname FROM pg_stat_user_tables WHERE vacuum_count > 0")) == set(
        metadata.tables
    )
