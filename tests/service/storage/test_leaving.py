"""Long sessions leave their user at once, and the database in steps."""

from __future__ import annotations

import asyncio
from threading import Event

import pytest
from sqlalchemy import Connection

from aichat_backend.chat.files import NewFile
from aichat_backend.chat.parts import TextPart
from aichat_backend.errors import NotFound
from aichat_backend.storage import leaving
from aichat_backend.storage.database import Database
from aichat_backend.storage.files import SqlFileStore
from fakes.conversations import all_messages, ask, texts
from fakes.sql import column
from fakes.stores import Store

ANN, BOB = "9" * 19, "2"


@pytest.fixture(autouse=True)
def _two_messages_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "_MESSAGES_A_STEP", 2)


@pytest.fixture
async def long(store: Store) -> str:
    """A session of five messages."""
    for number in range(5):
        await ask(store, ANN, "long", f"question {number}")
    return "long"


async def number_of_messages(database: Database) -> int:
    (number,) = await column(database, "SELECT count(*) FROM messages")
    return int(number)


async def test_a_long_session_is_gone_at_once_and_its_messages_soon(
    store: Store, database: Database, long: str
) -> None:
    await store.delete_session(ANN, long)

    assert (await store.list_sessions(ANN, page=1, limit=9)).total == 0
    assert (await store.find_sessions(ANN, "question", page=1, limit=9)).total == 0
    with pytest.raises(NotFound):
        await all_messages(store, ANN, long)
    assert await number_of_messages(database) == 3
    await store.remove_left(ANN)
    assert await column(database, "SELECT pk FROM sessions") == []
    assert await column(database, "SELECT pk FROM search_documents") == []
    assert await number_of_messages(database) == 0


async def test_a_short_one_leaves_nothing_to_do(store: Store, database: Database) -> None:
    await ask(store, ANN, "short")

    await store.delete_session(ANN, "short")

    assert await column(database, "SELECT pk FROM sessions") == []
    assert await number_of_messages(database) == 0


async def test_in_place_of_a_cleared_session_is_an_empty_one(store: Store, database: Database, long: str) -> None:
    before = await store.get_session(ANN, long)

    await store.clear_messages(ANN, long)

    after = await store.get_session(ANN, long)
    assert (after.title, after.created_at) == (before.title, before.created_at)
    assert after.updated_at > before.updated_at
    assert await texts(store, ANN, long) == []
    assert (await store.list_sessions(ANN, page=1, limit=9)).items == (after,)
    assert (await store.find_sessions(ANN, after.title, page=1, limit=9)).total == 1
    await ask(store, ANN, long, "And now?")
    await store.remove_left(ANN)
    assert await texts(store, ANN, long) == ["And now?"]
    assert await number_of_messages(database) == 1


async def test_messages_with_much_in_files_go_in_smaller_steps(
    store: Store, database: Database, files: SqlFileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "_MESSAGES_A_STEP", 9)
    monkeypatch.setattr(leaving, "_BYTES_A_STEP", 8)
    for data in (b"four", b"4444", b"vier", b"more than eight", b"plus"):
        kept = await files.keep(NewFile("f", "text/plain", data))
        await store.open_turn(ANN, "s", title="t", parts=(TextPart("See."), kept), context={})

    left = []
    await store.delete_session(ANN, "s")
    while left[-1:] != [0]:
        left.append(await number_of_messages(database))
        await database.write(lambda connection: leaving.remove_some(connection, leaving.nobody_after(ANN)))

    assert left == [4, 3, 1, 0]
    assert await column(database, "SELECT sha256 FROM blobs") == []


async def test_while_another_process_removes_the_rest_nobody_says_that_it_is_gone(
    store: Store, url: str, long: str
) -> None:
    await store.delete_session(ANN, long)
    begun, go_on = asyncio.Event(), Event()
    loop = asyncio.get_running_loop()

    def remove_slowly(connection: Connection) -> None:
        while leaving.remove_some(connection, leaving.nobody_after(ANN)) is not None:
            pass
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(10)

    other = await Database.open(url)
    elsewhere = asyncio.create_task(other.write(remove_slowly))
    await begun.wait()
    removing = asyncio.create_task(store.remove_left(ANN))
    for _ in range(20):
        await store.list_sessions(ANN, page=1, limit=9)
    assert not removing.done()
    go_on.set()
    await elsewhere
    await removing
    await other.close()


async def test_nobody_waits_for_what_another_has_left(store: Store, database: Database, long: str) -> None:
    await ask(store, BOB, "s")
    await store.delete_session(ANN, long)

    await store.delete_session(BOB, "s")
    await store.remove_left(BOB)

    assert await number_of_messages(database) == 3
