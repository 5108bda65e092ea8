"""Taking out of the files what was removed: whoever writes meanwhile does not wait for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from sqlalchemy import Connection, text

from aichat_backend.storage import forgetting
from aichat_backend.storage.database import Database
from aichat_backend.storage.errors import OutOfTime
from aichat_backend.storage.forgetting import Forgetting
from fakes.backend import eventually
from fakes.conversations import ask, texts
from fakes.databases import ON_POSTGRES, ON_SQLITE
from fakes.postgres import postgres_server
from fakes.stores import Store

SOON = 5.0


@contextmanager
def _vacuuming_otherwise(url: str) -> Iterator[None]:
    """Somebody else holds what VACUUM needs, and keeps nobody from writing."""
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE audit IN SHARE UPDATE EXCLUSIVE MODE")
        yield


async def test_an_attempt_is_for_all_who_had_asked_when_it_began() -> None:
    under_way, began = asyncio.Semaphore(0), 0

    async def attempt() -> None:
        nonlocal began
        began += 1
        await under_way.acquire()

    shared = Forgetting(attempt)
    first = asyncio.create_task(shared.run())
    await eventually(lambda: began == 1)
    others = [asyncio.create_task(shared.run()) for _ in range(10)]
    await asyncio.sleep(0)
    under_way.release()
    await first
    await eventually(lambda: began == 2)
    assert not any(task.done() for task in others)

    under_way.release()
    await asyncio.gather(*others)

    assert began == 2


async def test_it_is_tried_again_while_others_are_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "_PAUSE_SECONDS", 0)
    outcomes: list[Exception | None] = [OutOfTime("1"), OutOfTime("2"), None]

    async def attempt() -> None:
        if (outcome := outcomes.pop(0)) is not None:
            raise outcome

    await Forgetting(attempt).run()
    assert outcomes == []

    monkeypatch.setattr(forgetting, "PATIENCE_SECONDS", 0)
    outcomes.append(OutOfTime("3"))
    with pytest.raises(OutOfTime, match="3"):
        await Forgetting(attempt).run()


@ON_SQLITE
async def test_who_reads_for_long_keeps_the_log_from_being_emptied_and_nobody_from_writing(
    database: Database, store: Store
) -> None:
    reading, go_on = threading.Event(), threading.Event()

    def read(connection: Connection) -> None:
        connection.execute(text("SELECT * FROM sessions")).all()
        reading.set()
        assert go_on.wait(60)

    await ask(store, "1", "before")
    reader = asyncio.create_task(database.read(read))
    await eventually(reading.is_set)
    await ask(store, "1", "s", "first")
    asked = [asyncio.create_task(database.forget()) for _ in range(4)]

    async with asyncio.timeout(SOON):
        for number in range(10):
            await ask(store, "1", "s", f"{number}")

    assert not any(task.done() for task in asked)
    go_on.set()
    async with asyncio.timeout(60):
        await asyncio.gather(reader, *asked)
    assert len(await texts(store, "1", "s")) == 11


@pytest.mark.thorough
@ON_POSTGRES
async def test_a_vacuum_that_waits_keeps_nobody_from_writing(database: Database, store: Store, url: str) -> None:
    with _vacuuming_otherwise(url):
        asked = [asyncio.create_task(database.forget()) for _ in range(4)]
        async with asyncio.timeout(SOON):
            for number in range(10):
                await ask(store, "1", "s", f"{number}")
        assert not any(task.done() for task in asked)

    async with asyncio.timeout(60):
        await asyncio.gather(*asked)


@pytest.mark.thorough
@ON_POSTGRES
async def test_a_server_that_was_restarted_since_the_last_time_is_vacuumed_as_if_nothing_had_been(
    kind: str,  # noqa: ARG001 - it is of that kind
) -> None:
    with postgres_server() as server:
        database = await Database.open(server.create("own"))
        await database.upgrade()
        await database.forget()
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)

        await database.forget()

        await database.close()
