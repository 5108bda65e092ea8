"""One writer at a time, readers who do not wait, and nothing left behind by what fails or is cancelled."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from aichat_backend.chat.conversation import Session
from aichat_backend.chat.parts import TextPart
from aichat_backend.chat.turns import OpenedTurn
from aichat_backend.errors import Conflict, Unavailable
from aichat_backend.storage import sqlite
from aichat_backend.storage.database import Database
from aichat_backend.storage.errors import DatabaseUnavailable
from aichat_backend.storage.rows import session_row
from aichat_backend.storage.tables import sessions
from aichat_backend.storage.turns import SqlTurnStore
from fakes.conversations import answer, ask, texts
from fakes.databases import ON_SQLITE
from fakes.sql import change, column
from fakes.stores import HERE, Store

NOW = datetime.now(UTC)
ROW = session_row(Session("s", "1", "t", NOW, NOW), message_count=0)


COUNT = select(func.count()).select_from(sessions)


def insert_session(connection: Connection, session_id: str = "s") -> None:
    connection.execute(insert(sessions), {**ROW, "id": session_id})


async def count_sessions(database: Database) -> int:
    return await database.read(lambda connection: connection.execute(COUNT).scalar_one())


class Gate:
    """Stops the database's thread at a chosen moment, until the test lets it go on."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reached = asyncio.Event()
        self._open = threading.Event()

    def stop_here(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._reached.set)
        assert self._open.wait(10)

    async def reached(self) -> None:
        async with asyncio.timeout(5):
            await self._reached.wait()

    def open(self) -> None:
        self._open.set()


async def test_fifty_writers_at_once_are_all_served_though_two_processes_share_the_database(
    database: Database, url: str
) -> None:
    # As another process would: with connections and a lock of its own.
    other = await Database.open(url)
    stores = [Store(database), Store(other)]

    async def turn(number: int) -> None:
        store = stores[number % 2]
        opened = await ask(store, str(number % 5 + 1), f"s{number // 5}", f"question {number}")
        assert await store.close_turn(opened, answer(f"answer {number}"))

    await asyncio.gather(*map(turn, range(50)))

    said = [text for user in "12345" for name in range(10) for text in await texts(stores[0], user, f"s{name}")]
    assert sorted(said) == sorted(f"{kind} {number}" for kind in ("question", "answer") for number in range(50))
    await other.close()


async def test_of_two_questions_at_once_under_one_new_id_one_is_stored(store: Store, database: Database) -> None:
    asking = [ask(SqlTurnStore(database, HERE), "1", "qan_1", text) for text in ("a", "b")]
    outcomes = await asyncio.gather(*asking, return_exceptions=True)

    (turn,) = [outcome for outcome in outcomes if isinstance(outcome, OpenedTurn)]
    (refusal,) = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
    assert refusal.code == "session_busy"
    assert (await store.list_sessions("1", page=1, limit=50)).total == 1
    assert await texts(store, "1", "qan_1") == [turn.message.text]
    assert await store.close_turn(turn, answer("c"))


async def test_a_reader_does_not_wait_for_the_writer(database: Database) -> None:
    gate = Gate()

    def write(connection: Connection) -> None:
        insert_session(connection)
        gate.stop_here()

    writing = asyncio.create_task(database.write(write))
    await gate.reached()
    async with asyncio.timeout(5):
        assert await count_sessions(database) == 0
    gate.open()
    await writing

    assert await count_sessions(database) == 1


async def test_a_reader_sees_one_snapshot(database: Database) -> None:
    gate = Gate()

    def read(connection: Connection) -> list[int]:
        before = connection.execute(COUNT).scalar_one()
        gate.stop_here()
        return [before, connection.execute(COUNT).scalar_one()]

    reading = asyncio.create_task(database.read(read))
    await gate.reached()
    await database.write(insert_session)
    gate.open()

    assert await reading == [0, 0]
    assert await count_sessions(database) == 1


async def test_four_readers_do_not_wait_for_each_other(database: Database) -> None:
    together = threading.Barrier(4)

    await asyncio.gather(*(database.read(lambda _: together.wait(5)) for _ in range(4)))


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"read-?only"):
        await database.read(insert_session)


async def test_a_write_that_fails_leaves_nothing_and_frees_the_way(database: Database) -> None:
    def write(connection: Connection) -> None:
        insert_session(connection)
        raise LookupError

    with pytest.raises(LookupError):
        await database.write(write)

    await _assert_free_and_holding(database, 0)


async def test_a_wrong_statement_is_a_mistake_of_ours_and_not_an_outage(database: Database) -> None:
    with pytest.raises(IntegrityError) as wrong:
        await database.write(
            lambda connection: connection.execute(
                insert(sessions), {**ROW, "title": "said in confidence", "updated_at": None}
            )
        )

    assert "said in confidence" not in str(wrong.value)


async def test_what_people_say_is_in_no_log_even_when_debugging(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await store.open_turn("1", "s", title="t", parts=(TextPart("said in confidence"),), context={})

    assert "said in confidence" not in caplog.text


async def test_cancelled_in_its_transaction_a_write_is_committed_before_the_caller_goes_on(database: Database) -> None:
    gate = Gate()

    def write(connection: Connection) -> None:
        insert_session(connection)
        gate.stop_here()
        insert_session(connection, "and another")

    writing = asyncio.create_task(database.write(write))
    await gate.reached()

    await _cancel_again_and_again(writing, gate)

    await _assert_free_and_holding(database, 2)


async def test_a_failure_after_the_caller_was_cancelled_is_told_as_its_cause(database: Database) -> None:
    gate = Gate()

    def write(connection: Connection) -> None:
        insert_session(connection)
        gate.stop_here()
        raise LookupError

    writing = asyncio.create_task(database.write(write))
    await gate.reached()

    cancelled = await _cancel_again_and_again(writing, gate)

    assert isinstance(cancelled.__cause__, LookupError)
    await _assert_free_and_holding(database, 0)


@ON_SQLITE
async def test_cancelled_in_its_commit_a_write_is_committed_before_the_next_one_begins(database: Database) -> None:
    gate = Gate()

    def stop_at_commit(statement: str) -> None:
        if statement == "COMMIT":
            gate.stop_here()

    def write(connection: Connection) -> None:
        insert_session(connection)
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.set_trace_callback(stop_at_commit)

    writing = asyncio.create_task(database.write(write))
    await gate.reached()
    following = asyncio.create_task(count_in_a_write(database))
    await _cancel_again_and_again(writing, gate)

    assert await following == 1
    await _assert_free_and_holding(database, 1)


async def count_in_a_write(database: Database) -> int:
    return await database.write(lambda connection: connection.execute(COUNT).scalar_one())


@ON_SQLITE
async def test_cancelled_while_waiting_for_its_turn_a_write_never_begins(database: Database) -> None:
    gate = Gate()
    first = asyncio.create_task(database.write(lambda _: gate.stop_here()))
    await gate.reached()

    waiting = [asyncio.create_task(database.write(partial(insert_session, session_id=name))) for name in "abc"]
    await asyncio.sleep(0)
    await _cancel(waiting[1])
    assert not first.done()
    gate.open()
    results = await asyncio.gather(first, *waiting, return_exceptions=True)

    assert [type(result) for result in results] == [type(None), type(None), asyncio.CancelledError, type(None)]
    assert await column(database, "SELECT id FROM sessions ORDER BY pk") == ["a", "c"]


async def _cancel_again_and_again(task: asyncio.Task[None], gate: Gate) -> asyncio.CancelledError:
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    still_waiting = not task.done()
    gate.open()
    assert still_waiting
    with pytest.raises(asyncio.CancelledError) as cancelled:
        await task
    return cancelled.value


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _assert_free_and_holding(database: Database, rows: int) -> None:
    assert await count_sessions(database) == rows
    async with asyncio.timeout(5):
        await database.write(partial(insert_session, session_id="next"))
    assert await count_sessions(database) == rows + 1


async def test_another_process_that_keeps_writing_makes_the_database_unavailable(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.01)
    database = await Database.open(f"sqlite:///{path}")
    await database.upgrade()
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable) as unavailable:
            await database.write(insert_session)
        other.execute("ROLLBACK")

    _assert_safe_and_complete(unavailable.value, "database is locked")
    await _assert_free_and_holding(database, 0)
    await database.close()


@ON_SQLITE
async def test_a_full_disk_makes_the_database_unavailable_and_stores_nothing_of_the_turn(
    database: Database, store: Store
) -> None:
    turn = await ask(store, "1", "s")
    (pages,) = await column(database, "PRAGMA page_count")
    await change(database, f"PRAGMA max_page_count = {pages}")

    with pytest.raises(Unavailable) as unavailable:
        await store.close_turn(turn, answer("long " * 100_000))

    _assert_safe_and_complete(unavailable.value, "database or disk is full")
    assert await texts(store, "1", "s") == ["Why?"]
    assert await store.get_session("1", "s") == turn.session


@ON_SQLITE
async def test_a_file_that_was_damaged_makes_the_database_unavailable(database: Database, path: Path) -> None:
    await ask(Store(database), "1", "s")
    await database.close()
    damaged = await Database.open(f"sqlite:///{path}")
    _damage(path)

    for call in (damaged.ping, lambda: ask(Store(damaged), "1", "s")):
        with pytest.raises(Unavailable) as unavailable:
            await call()
        _assert_safe_and_complete(unavailable.value, "malformed")
    await damaged.close()


def _damage(path: Path) -> None:
    """Leave nothing but the first page as it was."""
    healthy = path.read_bytes()
    path.write_bytes(healthy[:4096] + b"\xa5" * (len(healthy) - 4096))


def _assert_safe_and_complete(error: Unavailable, detail: str) -> None:
    assert error.status == 503
    assert error.retry_after is not None
    assert error.message == "The chat history cannot be reached right now. Try again in a little while."
    assert detail in str(error)
    assert isinstance(error.__cause__, SQLAlchemyError)


Use = Callable[[Database], Awaitable[object]]


async def _write(database: Database) -> None:
    await database.write(lambda _: None)


@pytest.mark.parametrize("use", [count_sessions, _write, Database.ping])
async def test_a_closed_database_is_unavailable(database: Database, use: Use) -> None:
    await database.close()

    with pytest.raises(Unavailable):
        await use(database)


async def test_closing_waits_for_what_has_been_asked_for(database: Database, url: str) -> None:
    gate = Gate()

    def write(connection: Connection) -> None:
        gate.stop_here()
        insert_session(connection)

    asked = [
        asyncio.create_task(database.write(write)),
        asyncio.create_task(database.write(partial(insert_session, session_id="waiting"))),
    ]
    await gate.reached()
    closing_task = asyncio.create_task(database.close())
    await asyncio.sleep(0)
    assert not closing_task.done()
    gate.open()
    await asyncio.gather(closing_task, *asked)

    reopened = await Database.open(url)
    assert await count_sessions(reopened) == 2
    await reopened.close()
