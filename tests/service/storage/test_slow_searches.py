"""Searches take their time: nobody else waits for them, and they end when nobody waits for what they find."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

import pytest
from sqlalchemy import Connection, text
from structlog.testing import capture_logs

from aichat_backend.chat.conversation import Page
from aichat_backend.chat.search import FoundSession
from aichat_backend.errors import Unavailable
from aichat_backend.storage import postgres, sqlite
from aichat_backend.storage.conversations import SqlConversationStore
from aichat_backend.storage.database import Database
from aichat_backend.storage.lasting import LastingDatabase
from fakes.backend import eventually

T = TypeVar("T")

ANN, BOB = "1", "2"
SOON = 10.0
LONG_BEFORE_IT_IS_GIVEN_UP = 5.0

WITHOUT_END = text("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")


def search_without_end(connection: Connection) -> None:
    connection.execute(WITHOUT_END).all()


class Held(Database):
    """Its searches wait until the test lets them go on."""

    under_way = 0
    begun = 0

    async def search(self, work: Callable[[Connection], T]) -> T:
        self.begun += 1
        self.under_way += 1
        try:
            await self.may_go_on.wait()
            return await super().search(work)
        finally:
            self.under_way -= 1

    @property
    def may_go_on(self) -> asyncio.Event:
        return vars(self).setdefault("_may_go_on", asyncio.Event())


async def find(store: SqlConversationStore, user_id: str) -> Page[FoundSession]:
    return await store.find_sessions(user_id, "index", page=1, limit=9)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(SOON):
        await eventually(condition)


async def ended_soon(searching: asyncio.Task[None]) -> None:
    """Without cancelling it once more, as a timeout would."""
    await asyncio.wait({searching}, timeout=LONG_BEFORE_IT_IS_GIVEN_UP)
    assert searching.cancelled()


async def test_whatever_is_searched_for_readers_do_not_wait(database: Database) -> None:
    go_on = threading.Event()
    searching = [asyncio.create_task(database.search(lambda _: go_on.wait(SOON))) for _ in range(10)]
    together = threading.Barrier(4)

    async with asyncio.timeout(SOON):
        await asyncio.gather(*(database.read(lambda _: together.wait(SOON)) for _ in range(4)))
        await database.ping()

    assert not any(task.done() for task in searching)
    go_on.set()
    assert await asyncio.gather(*searching) == [True] * 10


async def test_searches_run_two_at_a_time(database: Database) -> None:
    together = threading.Barrier(2)

    await asyncio.gather(*(database.search(lambda _: together.wait(SOON)) for _ in range(4)))

    alone = threading.Barrier(3)
    with pytest.raises(threading.BrokenBarrierError):
        await asyncio.gather(*(database.search(lambda _: alone.wait(0.1)) for _ in range(3)))


async def test_a_search_cannot_write(database: Database) -> None:
    with pytest.raises(Unavailable, match=r"read-?only"):
        await database.search(lambda connection: connection.execute(text("DELETE FROM sessions")))


async def test_a_user_has_one_search_at_a_time(url: str) -> None:
    database = await Held.open(url)
    store = SqlConversationStore(database)
    searching = [asyncio.create_task(find(store, user)) for user in (ANN, ANN, ANN, BOB)]

    await until(lambda: database.begun == 2)
    assert database.under_way == 2
    database.may_go_on.set()
    found = await asyncio.gather(*searching)

    assert database.begun == 4
    assert [page.total for page in found] == [0] * 4
    await database.close()


async def test_a_search_whose_asker_leaves_while_it_waits_never_begins(url: str) -> None:
    database = await Held.open(url)
    store = SqlConversationStore(database)
    first, second, third = [asyncio.create_task(find(store, ANN)) for _ in range(3)]
    await until(lambda: database.begun == 1)

    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    database.may_go_on.set()
    await asyncio.gather(first, third)

    assert database.begun == 2
    await database.close()


async def test_a_search_ends_when_its_asker_leaves(database: Database) -> None:
    begun = threading.Event()

    def search(connection: Connection) -> None:
        begun.set()
        search_without_end(connection)

    searching = asyncio.create_task(database.search(search))
    await until(begun.is_set)

    searching.cancel()

    await ended_soon(searching)

    assert await database.search(lambda connection: connection.execute(text("SELECT 1")).scalar_one()) == 1


async def test_a_search_ends_whose_asker_left_between_two_statements(database: Database) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def search(connection: Connection) -> None:
        begun.set()
        assert go_on.wait(SOON)
        search_without_end(connection)

    searching = asyncio.create_task(database.search(search))
    await until(begun.is_set)
    searching.cancel()
    # Once it has heard of that.
    await asyncio.sleep(0)
    go_on.set()

    await ended_soon(searching)


async def test_whoever_searches_next_is_not_disturbed(database: Database) -> None:
    begun = threading.Event()

    def search(connection: Connection) -> int:
        begun.set()
        return int(connection.execute(text("SELECT count(*) FROM sessions")).scalar_one())

    for _ in range(20):
        begun.clear()
        leaving = asyncio.create_task(database.search(search))
        await until(begun.is_set)
        leaving.cancel()
        await asyncio.wait({leaving})

        assert await asyncio.gather(*(database.search(search) for _ in range(2))) == [0, 0]


async def test_a_search_that_takes_too_long_is_given_up_and_the_database_is_not_to_blame(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for engine in (sqlite, postgres):
        monkeypatch.setattr(engine, "SEARCH_SECONDS", 0.1)
    monkeypatch.setattr("aichat_backend.storage.conversations.find", lambda *_, **__: search_without_end(_[0]))
    database = LastingDatabase(url)
    store = SqlConversationStore(database)
    with capture_logs() as logs:
        await database.start(SOON)

        async with asyncio.timeout(SOON):
            with pytest.raises(Unavailable) as given_up:
                await find(store, ANN)
            problem = await database.problem()

    assert (given_up.value.code, given_up.value.retry_after) == ("search_too_slow", None)
    assert "longer words" in given_up.value.message
    assert problem is None
    assert "database_unusable" not in [line["event"] for line in logs]
    await database.close()
