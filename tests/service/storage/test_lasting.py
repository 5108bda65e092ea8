"""A database for as long as the service lives: opened as soon as it can be, and anew when it must be."""

# ruff: noqa: ASYNC240 -- a test may look at its files at any time
from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from aichat_backend.errors import Unavailable
from aichat_backend.storage import lasting as lasting_module
from aichat_backend.storage.database import Database
from aichat_backend.storage.errors import NewerDatabase, UnsupportedDatabase
from aichat_backend.storage.lasting import LastingDatabase
from fakes.backend import eventually
from fakes.conversations import ask, texts
from fakes.sql import change
from fakes.stores import Store

PATIENCE = 30.0
AT_ONCE = 0.001
NEVER = 3600.0


def lasting(path: Path) -> LastingDatabase:
    return LastingDatabase(f"sqlite:///{path}", first_pause=AT_ONCE, longest_pause=2 * AT_ONCE, rest=AT_ONCE)


def looked_at_when_asked(path: Path, *, rest: float = 0) -> LastingDatabase:
    """By itself it is not looked at again."""
    return LastingDatabase(f"sqlite:///{path}", first_pause=NEVER, longest_pause=NEVER, rest=rest)


@pytest.fixture
async def database(path: Path, migrated_database: Path) -> AsyncIterator[LastingDatabase]:
    await asyncio.to_thread(shutil.copyfile, migrated_database, path)
    database = lasting(path)
    await database.start(PATIENCE)
    yield database
    await database.close()


def attempts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every time a database is to be opened, from now on."""
    made: list[str] = []
    open_database = Database.open

    async def opening(url: str) -> Database:
        made.append(url)
        return await open_database(url)

    monkeypatch.setattr(Database, "open", opening)
    return made


def told(logs: list[EventDict]) -> list[str]:
    return [line["event"] for line in logs if line["event"].startswith("database_")]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        await eventually(condition)


async def test_it_is_open_when_the_start_is_over(database: LastingDatabase) -> None:
    assert await database.problem() is None
    await asyncio.wait_for(database.opened(), PATIENCE)
    await ask(Store(database), "1", "s", "Why?")

    assert await texts(Store(database), "1", "s") == ["Why?"]


async def test_one_cause_is_told_once_however_often_it_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = attempts(monkeypatch)
    database = lasting(tmp_path / "folder" / "chat.db")
    with capture_logs() as logs:
        await database.start(PATIENCE)
        await until(lambda: len(made) > 5)
        assert told(logs) == ["database_unusable"]
        with pytest.raises(Unavailable) as unavailable:
            await ask(Store(database), "1", None)
        assert str(tmp_path) in str(await database.problem())

        (tmp_path / "folder").write_text("no folder")
        await until(lambda: len(told(logs)) > 1)
        (tmp_path / "folder").unlink()
        (tmp_path / "folder").mkdir()
        await asyncio.wait_for(database.opened(), PATIENCE)

    assert unavailable.value.retry_after is not None
    assert told(logs)[:2] == ["database_unusable"] * 2
    assert told(logs)[-1] == "database_usable_again"
    assert await database.problem() is None
    await database.close()


async def test_a_url_that_names_no_database_ends_the_start() -> None:
    database = LastingDatabase("mysql://chat@db/chat")

    with pytest.raises(UnsupportedDatabase):
        await database.start(PATIENCE)

    await database.close()


async def test_a_database_of_a_newer_version_ends_the_start(path: Path, migrated_database: Path) -> None:
    await asyncio.to_thread(shutil.copyfile, migrated_database, path)
    opened = await Database.open(f"sqlite:///{path}")
    await change(opened, "UPDATE schema_compatibility SET usable_from = '0777'")
    await change(opened, "UPDATE alembic_version SET version_num = '0777'")
    await opened.close()
    database = lasting(path)

    with pytest.raises(NewerDatabase):
        await database.start(PATIENCE)

    await database.close()


async def test_a_start_does_not_wait_longer_than_it_was_told_to(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = asyncio.Event()
    open_database = Database.open

    async def hanging(url: str) -> Database:
        await release.wait()
        return await open_database(url)

    monkeypatch.setattr(Database, "open", hanging)
    database = lasting(path)
    await database.start(AT_ONCE)
    assert await database.problem() == "The database is being opened."
    with pytest.raises(Unavailable):
        await database.read(lambda _: None)

    release.set()
    await asyncio.wait_for(database.opened(), PATIENCE)
    assert await database.problem() is None
    await database.close()


async def test_closed_while_it_opens_it_leaves_nothing_open(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = attempts(monkeypatch)
    database = lasting(path)
    starting = asyncio.create_task(database.start(PATIENCE))
    await until(lambda: made)
    starting.cancel()
    await database.close()

    assert [file.name for file in path.parent.iterdir()] == ["chat.db"]


async def test_a_file_deleted_in_use_is_missed_at_once_and_made_anew(database: LastingDatabase, path: Path) -> None:
    store = Store(database)
    await ask(store, "1", "s", "before")
    with capture_logs() as logs:
        for file in path.parent.iterdir():
            file.unlink()
        with pytest.raises(Unavailable):
            await ask(store, "1", "s", "in between")
        await until(lambda: "database_usable_again" in told(logs))

    await ask(store, "1", "s", "after")
    assert await texts(store, "1", "s") == ["after"]
    assert path.exists()


async def test_asking_how_it_stands_is_enough_to_notice(database: LastingDatabase, path: Path) -> None:
    path.unlink()

    assert "was deleted while it was in use" in str(await database.problem())


async def test_what_the_former_file_had_in_its_log_is_in_it_and_not_in_the_one_that_replaced_it(
    database: LastingDatabase, path: Path, migrated_database: Path
) -> None:
    store = Store(database)
    await ask(store, "1", "s", "before")
    other = Path(await asyncio.to_thread(shutil.copy, migrated_database, path.with_name("other.db")))
    with capture_logs() as logs:
        path.rename(path.with_name("former.db"))
        other.rename(path)
        assert "was replaced while it was in use" in str(await database.problem())
        await until(lambda: "database_usable_again" in told(logs))

    assert (await store.list_sessions("1", page=1, limit=9)).total == 0
    former = await Database.open(f"sqlite:///{path.with_name('former.db')}")
    assert await texts(Store(former), "1", "s") == ["before"]
    await former.close()


async def test_failures_that_are_over_at_the_next_look_leave_it_open(database: LastingDatabase, path: Path) -> None:
    store = Store(database)
    turn = await ask(store, "1", "s")
    with capture_logs() as logs:
        await set_most_pages(database, 1)
        with pytest.raises(Unavailable):
            await ask(store, "1", "s", "long " * 100_000)
        assert await database.problem() == f"The disk of the database {path} is full. Make room on it."
        assert await texts(store, "1", "s") == [turn.message.text]
        await set_most_pages(database, 100_000)
        await until(lambda: "database_usable_again" in told(logs))

    await ask(store, "1", "s", "long " * 100_000)


async def test_who_asks_hears_that_it_is_over_though_the_next_look_is_far_away(tmp_path: Path) -> None:
    database = looked_at_when_asked(tmp_path / "folder" / "chat.db")
    await database.start(PATIENCE)
    assert "does not exist" in str(await database.problem())

    (tmp_path / "folder").mkdir()

    async with asyncio.timeout(PATIENCE):
        while await database.problem() is not None:
            pass
    await ask(Store(database), "1", "s")
    await database.close()


async def test_who_wants_to_use_it_makes_it_be_tried_again(tmp_path: Path) -> None:
    database = looked_at_when_asked(tmp_path / "folder" / "chat.db")
    await database.start(PATIENCE)
    (tmp_path / "folder").mkdir()

    with pytest.raises(Unavailable):
        await ask(Store(database), "1", "s")

    await asyncio.wait_for(database.opened(), PATIENCE)
    await ask(Store(database), "1", "s")
    await database.close()


async def test_a_use_that_succeeds_again_is_enough_to_notice(path: Path, migrated_database: Path) -> None:
    await asyncio.to_thread(shutil.copyfile, migrated_database, path)
    database = looked_at_when_asked(path)
    await database.start(PATIENCE)
    with capture_logs() as logs:
        await set_most_pages(database, 1)
        with pytest.raises(Unavailable):
            await ask(Store(database), "1", "s", "long " * 100_000)
        await set_most_pages(database, 100_000)
        await until(lambda: "database_usable_again" in told(logs))
    await database.close()


async def test_many_who_ask_at_once_share_one_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = looked_at_when_asked(tmp_path / "folder" / "chat.db")
    await database.start(PATIENCE)
    made = attempts(monkeypatch)

    assert len(set(await asyncio.gather(*(database.problem() for _ in range(50))))) == 1

    assert len(made) == 1
    await database.close()


async def test_however_many_ask_it_is_left_alone_for_a_while_after_each_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = attempts(monkeypatch)
    database = looked_at_when_asked(tmp_path / "folder" / "chat.db", rest=NEVER)
    await database.start(PATIENCE)

    for _ in range(50):
        assert "does not exist" in str(await database.problem())
        with pytest.raises(Unavailable):
            await ask(Store(database), "1", "s")

    assert len(made) == 1
    await database.close()


async def test_who_asks_while_a_look_hangs_hears_what_was_seen_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = looked_at_when_asked(tmp_path / "folder" / "chat.db")
    await database.start(PATIENCE)
    open_database, release = Database.open, asyncio.Event()

    async def hanging(url: str) -> Database:
        await release.wait()
        return await open_database(url)

    monkeypatch.setattr(Database, "open", hanging)
    monkeypatch.setattr(lasting_module, "_LOOK_SECONDS", AT_ONCE)

    assert "does not exist" in str(await database.problem())

    release.set()
    await database.close()


async def set_most_pages(database: LastingDatabase, pages: int) -> None:
    """More than so many the database cannot have; it has at least those that it has already."""
    await database.write(lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}").all())
