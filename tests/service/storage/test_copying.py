"""From one database to another and back: everything arrives, to the letter, or it is said why not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import text

from aichat_backend.chat.approvals import Decision
from aichat_backend.chat.files import NewFile
from aichat_backend.chat.parts import ProviderState, ReasoningPart, TextPart, Usage
from aichat_backend.chat.tools import ToolPolicy
from aichat_backend.database_commands import copy, status, upgrade
from aichat_backend.storage import copying
from aichat_backend.storage.copying import copy_all
from aichat_backend.storage.database import Database
from aichat_backend.storage.engines import connect_alone
from aichat_backend.storage.errors import (
    CopyFailed,
    CopyRefused,
    DatabaseInUse,
    InaccessibleDatabase,
    StorageError,
)
from aichat_backend.storage.files import SqlFileStore
from aichat_backend.storage.pins import SqlToolPins
from aichat_backend.storage.policies import SqlPolicyTrail
from aichat_backend.storage.schema import HEAD
from aichat_backend.storage.tables import metadata
from aichat_backend.storage.usage import SqlUsageStore
from fakes.conversations import answer, approval_of_calls, ask, texts
from fakes.policies import policy
from fakes.postgres import PostgresServer
from fakes.sql import change, column
from fakes.stores import Store

ODD = "Straße \0 %_\\ \N{PILE OF POO} 'quoted'"
KINDS = ["sqlite", "postgresql"]

pytestmark = pytest.mark.thorough

Make = Callable[[str], str]


@pytest.fixture
def make(tmp_path: Path, request: pytest.FixtureRequest) -> Make:
    """Names a new database of a kind."""
    numbers = count()

    def new(kind: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path}/{next(numbers)}.db"
        server: PostgresServer = request.getfixturevalue("postgres")
        return server.create()

    return new


@pytest.fixture(
    params=[(source, target) for source in KINDS for target in KINDS],
    ids="-".join,
)
def urls(request: pytest.FixtureRequest, make: Make) -> tuple[str, str]:
    """A database full of everything, and an empty one."""
    source, target = request.param
    url = make(source)
    asyncio.run(fill(url))
    return url, make(target)


@pytest.fixture(autouse=True)
def _batches_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "BATCH", 3)
    monkeypatch.setattr(copying, "BATCH_OF_CONTENTS", 1)


async def fill(url: str) -> None:
    database = await Database.open(url)
    await database.upgrade()
    store, files, usage = Store(database), SqlFileStore(database), SqlUsageStore(database)
    for number in range(7):
        kept = await files.keep(NewFile(f"f{number}", "text/plain", bytes([number]) * 5000, ODD))
        turn = await store.open_turn("1", f"s{number}", title=ODD, parts=(TextPart(ODD), kept), context={"p": ODD})
        reasoning = ReasoningPart(ODD, state=ProviderState("openai", "broken \udc00"))
        await store.close_turn(turn, answer(reasoning, "Because."))
        turn = await ask(store, "2", f"s{number}")
        asking = approval_of_calls("c")
        await store.close_turn(turn, asking)
        if number % 2:
            await store.decide_turn("2", None, Decision(asking.id, approved=True))
        await usage.add("1", f"model {number}", Usage(2**31 - 1, number))
    await files.keep(NewFile("waiting", "text/plain", b"\0\xff", None))
    await SqlToolPins(database).pin("server", "entry", {ODD: "d", "other": "e"})
    await SqlPolicyTrail(database).note([policy(by_tool={ODD: ToolPolicy.DENY}), policy(server="other")])
    await store.delete_session("2", "s6")
    await database.close()


async def use(url: str, work: Callable[[Database], object]) -> None:
    """Do something to a database as a service does."""
    database = await Database.open(url)
    await work(database)  # type: ignore[misc]
    await database.close()


def all_rows(url: str) -> dict[str, list[str]]:
    with connect_alone(url) as connection:
        return {
            name: sorted(repr(tuple(row)) for row in connection.execute(table.select()))
            for name, table in metadata.tables.items()
        }


def quiet(_line: str) -> None:
    pass


def test_everything_arrives_to_the_letter(urls: tuple[str, str]) -> None:
    source, target = urls
    before = all_rows(source)
    lines: list[str] = []

    copy(source, target, lines.append)

    assert all(before.values())
    assert all_rows(target) == before == all_rows(source)
    assert "copying messages: 26 of 26" in lines
    assert f"same      {len(before['messages']):>11,}  messages" in lines
    assert "row for row the same" in lines[-1]


def test_a_service_goes_on_with_the_copy_and_uses_no_number_twice(urls: tuple[str, str]) -> None:
    source, target = urls
    copy(source, target, quiet)

    async def go_on(database: Database) -> None:
        store = Store(database)
        turn = await ask(store, "1", "s3", "And now?")
        assert await store.close_turn(turn, answer("Better."))
        assert await texts(store, "1", "s3") == [ODD, "Because.", "And now?", "Better."]
        created = await store.create_session("1", "new")
        # The newest one of the source, number 14, was deleted there.
        assert await column(database, f"SELECT pk FROM sessions WHERE id = '{created.id}'") == [15]
        found = await store.find_sessions("1", "strasse", page=1, limit=50)
        assert found.total == 7

    asyncio.run(use(target, go_on))


def test_running_it_again_changes_nothing_and_says_the_same(urls: tuple[str, str]) -> None:
    source, target = urls
    first: list[str] = []
    again: list[str] = []
    copy(source, target, first.append)
    copied = all_rows(target)

    copy(source, target, again.append)

    assert all_rows(target) == copied
    assert not any(line.startswith("copying") for line in again)
    assert [line for line in again if line.startswith("same")] == [line for line in first if line.startswith("same")]


class Broken(Exception):
    pass


def break_off(source: str, target: str, at: str) -> None:
    """Copy until that has been reported for the second time."""
    seen = 0

    def report(doing: str, _done: int, _total: int) -> None:
        nonlocal seen
        seen += doing == at
        if seen == 2:
            raise Broken

    upgrade(target, quiet)
    with connect_alone(source) as original, connect_alone(target) as duplicate, pytest.raises(Broken):
        copy_all(original, duplicate, report)


@pytest.mark.parametrize(
    "at", ["copying sessions", "copying messages", "copying blobs", "reading messages of the target"]
)
def test_a_copy_that_was_broken_off_is_completed(urls: tuple[str, str], at: str) -> None:
    source, target = urls
    break_off(source, target, at)

    copy(source, target, quiet)

    assert all_rows(target) == all_rows(source)


CHANGES = {
    "a row that the source has not": "INSERT INTO usage VALUES ('9', '2026-01-01', 'm', 1, 1, 1)",
    "a row that is other than in the source": "UPDATE sessions SET title = 'changed since' WHERE pk = 1",
}


@pytest.mark.parametrize("difference", CHANGES)
def test_a_target_that_holds_something_else_is_refused_and_left_alone(urls: tuple[str, str], difference: str) -> None:
    source, target = urls
    break_off(source, target, "copying messages")
    asyncio.run(use(target, lambda database: change(database, CHANGES[difference])))
    before = all_rows(target)

    with pytest.raises(CopyRefused, match="holds something else"):
        copy(source, target, quiet)

    assert all_rows(target) == before


def test_a_copy_that_is_not_the_same_in_the_end_is_not_called_one(urls: tuple[str, str]) -> None:
    source, target = urls
    upgrade(target, quiet)
    with connect_alone(source) as original, connect_alone(target) as duplicate:

        def disturb(doing: str, done: int, total: int) -> None:
            if doing == "copying messages" and done == total:
                duplicate.execute(text("UPDATE messages SET role = 'other' WHERE pk = 5"))

        with pytest.raises(CopyFailed, match="'messages'"):
            copy_all(original, duplicate, disturb)


@pytest.mark.parametrize("used", ["source", "target"])
def test_a_database_that_a_service_uses_is_refused_and_nothing_is_changed(urls: tuple[str, str], used: str) -> None:
    source, target = urls
    in_use = source if used == "source" else target

    async def meanwhile(database: Database) -> None:
        await database.upgrade()
        lines: list[str] = []
        with pytest.raises(DatabaseInUse, match="Stop the service first"):
            await asyncio.to_thread(copy, source, target, quiet)
        await asyncio.to_thread(status, in_use, lines.append)
        assert "in use    by a running service" in lines

    asyncio.run(use(in_use, meanwhile))

    copy(source, target, quiet)


def test_no_service_starts_while_its_database_is_copied(urls: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aichat_backend.storage.sqlite.BUSY_SECONDS", 0.01)
    source, _target = urls

    with connect_alone(source), pytest.raises(InaccessibleDatabase, match=r"being copied|kept busy"):
        asyncio.run(use(source, Database.ping))

    asyncio.run(use(source, Database.ping))


def test_an_older_database_must_be_upgraded_first(urls: tuple[str, str]) -> None:
    source, target = urls
    asyncio.run(use(source, lambda database: change(database, "UPDATE alembic_version SET version_num = '0001'")))

    with pytest.raises(CopyRefused, match="db upgrade"):
        copy(source, target, quiet)


def test_a_database_is_not_copied_to_itself(urls: tuple[str, str]) -> None:
    source, _target = urls
    with pytest.raises(CopyRefused, match="itself"):
        copy(source, source.replace("sqlite:", "sqlite+pysqlite:"), quiet)


def test_a_file_that_is_not_there_is_not_made(make: Make, tmp_path: Path) -> None:
    lines: list[str] = []
    status(make("sqlite"), lines.append)
    with pytest.raises(CopyRefused, match="not there"):
        copy(make("sqlite"), make("sqlite"), quiet)

    assert "not there yet" in lines[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["postgresql://u:s3cret@127.0.0.1:9/d", "mysql://u:s3cret@h/d"])
def test_a_target_that_cannot_be_used_is_told_without_its_password(make: Make, url: str) -> None:
    source = make("sqlite")
    upgrade(source, quiet)

    with pytest.raises(StorageError) as refused:
        copy(source, url, quiet)

    assert "s3cret" not in str(refused.value)


@pytest.fixture(params=KINDS)
def empty(request: pytest.FixtureRequest, make: Make) -> str:
    return make(request.param)


def test_the_state_of_a_database_is_told_before_and_after_its_upgrade(empty: str) -> None:
    asyncio.run(use(empty, Database.ping))
    before, said, after = [], [], []  # type: list[str], list[str], list[str]
    status(empty, before.append)
    upgrade(empty, said.append)
    upgrade(empty, said.append)
    status(empty, after.append)

    assert before[1:] == [
        f"schema    none; `aichat-backend db upgrade`, or the next start, brings it to {HEAD}",
        "in use    no",
    ]
    assert said[0].endswith(f"the schema is at {HEAD} now, it was not there")
    assert said[1].endswith(f"the schema is up to date ({HEAD})")
    assert after[1:3] == [f"schema    {HEAD}, up to date", "in use    no"]
    assert "rows                0  messages" in after
