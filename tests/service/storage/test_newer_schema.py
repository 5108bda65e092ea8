"""A schema that a newer version made: used where that version says that this one can, and refused otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect, select
from structlog.testing import capture_logs

from aichat_backend import audit_command
from aichat_backend.chat.files import NewFile
from aichat_backend.database_commands import copy, status, upgrade
from aichat_backend.errors import Unavailable
from aichat_backend.storage.database import Database
from aichat_backend.storage.errors import CopyRefused, NewerDatabase
from aichat_backend.storage.files import SqlFileStore
from aichat_backend.storage.lasting import LastingDatabase
from aichat_backend.storage.schema import HEAD
from aichat_backend.storage.tables import messages, sessions
from fakes.backend import eventually
from fakes.conversations import answer, ask, texts
from fakes.databases import ON_POSTGRES
from fakes.future import ADDING_TO_A_BROKEN_ONE, BREAKING, COMPATIBLE, Migration, upgrade_to_the_future
from fakes.postgres import PostgresServer
from fakes.sql import change, column, rows
from fakes.stores import Store

PATIENCE = 30.0
AT_ONCE = 0.001

STATE = "SELECT version_num, usable_from FROM alembic_version, schema_compatibility"


async def use(database: Database, session: str) -> None:
    """Do all that users do, and find it as they do."""
    store, files = Store(database), SqlFileStore(database)
    for name in (session, "other"):
        kept = await files.keep(NewFile("f", "text/plain", b"f", "f"))
        turn = await store.open_turn("1", name, title=f"Why {name}?", parts=(kept,), context={})
        await store.close_turn(turn, answer(f"Because of {name}."))
    assert (await store.find_sessions("1", f"because {session}", page=1, limit=9)).total == 1
    await store.delete_session("1", "other")
    assert session in [found.id for found in (await store.list_sessions("1", page=1, limit=9)).items]
    assert (await texts(store, "1", session))[-1] == f"Because of {session}."


async def test_one_that_this_version_can_use_is_used_and_left_as_it_is(url: str, tmp_path: Path) -> None:
    await upgrade_to_the_future(url, tmp_path, COMPATIBLE)
    database = await Database.open(url)

    await database.upgrade()

    await database.ping()
    await database.try_to_write()
    await use(database, "s")
    await Store(database).erase("1")
    assert await column(database, "SELECT count(*) FROM sessions") == [0]
    assert await rows(database, STATE) == [("0101", HEAD)]
    await database.close()


async def test_a_process_goes_on_when_its_database_becomes_such_a_one(url: str, tmp_path: Path) -> None:
    database = LastingDatabase(url)
    await database.start(PATIENCE)
    # Often enough that connections have their statements prepared.
    for number in range(6):
        await use(database, f"before{number}")

    with capture_logs() as logs:
        await upgrade_to_the_future(url, tmp_path, COMPATIBLE)
        for number in range(6):
            await use(database, f"after{number}")

    assert await database.problem() is None
    assert logs == []
    assert await column(database, "SELECT DISTINCT pinned FROM sessions") == [False]
    await database.close()


TAKING_TWO_TABLES = Migration(
    body="""
    for table in ("messages", "sessions"):
        op.add_column(table, sa.Column("later", sa.Text))
"""
)


@ON_POSTGRES
@pytest.mark.parametrize(("reader_waits", "upgrade_waits"), [("10ms", "60s"), ("60s", "2s")])
async def test_who_reads_and_who_upgrades_both_come_through_when_they_are_in_each_others_way(
    url: str, tmp_path: Path, postgres: PostgresServer, reader_waits: str, upgrade_waits: str
) -> None:
    """Whoever has waited for that long looks whether there is a deadlock, and the server then ends its transaction."""
    database = await Database.open(f"{url}&options=-c%20deadlock_timeout%3D{reader_waits}")
    has_sessions = asyncio.Event()
    loop = asyncio.get_running_loop()
    attempts = 0

    def read(connection: Connection) -> int:
        nonlocal attempts
        attempts += 1
        connection.execute(select(sessions.c.pk))
        loop.call_soon_threadsafe(has_sessions.set)
        while attempts == 1 and not postgres.execute("SELECT 1 FROM pg_locks WHERE NOT granted"):
            pass
        return len(connection.execute(select(messages.c.pk)).all())

    reading = asyncio.create_task(database.read(read))
    await asyncio.wait_for(has_sessions.wait(), PATIENCE)
    await upgrade_to_the_future(f"{url}&options=-c%20deadlock_timeout%3D{upgrade_waits}", tmp_path, TAKING_TWO_TABLES)

    assert await reading == 0
    assert await rows(database, STATE) == [("0101", HEAD)]
    await database.close()


NOT_FOR_US = pytest.mark.parametrize("migrations", [[BREAKING], [BREAKING, ADDING_TO_A_BROKEN_ONE]])


@NOT_FOR_US
async def test_one_that_it_cannot_use_is_refused_and_left_alone(
    url: str, tmp_path: Path, migrations: Sequence[Migration]
) -> None:
    await upgrade_to_the_future(url, tmp_path, *migrations)
    database = await Database.open(url)

    with pytest.raises(NewerDatabase) as refused:
        await database.upgrade()

    message = str(refused.value)
    assert f"its schema is at '{migrations[-1].revision}' and needs a version that knows '0101'" in message
    assert f"no later one than '{HEAD}'" in message
    assert "Install the newer version" in message
    assert "\n" not in message
    assert await rows(database, STATE) == [(migrations[-1].revision, "0101")]
    await database.close()


async def test_one_that_does_not_say_who_can_use_it_is_refused(database: Database) -> None:
    await change(database, "UPDATE alembic_version SET version_num = '0101'", "DROP TABLE schema_compatibility")

    with pytest.raises(NewerDatabase, match="needs a version that knows '0101'"):
        await database.upgrade()


async def test_a_process_stops_to_use_one_that_is_no_longer_for_it_and_tells_so(url: str, tmp_path: Path) -> None:
    database = LastingDatabase(url, first_pause=AT_ONCE, longest_pause=AT_ONCE, rest=AT_ONCE)
    await database.start(PATIENCE)
    with capture_logs() as logs:
        await upgrade_to_the_future(url, tmp_path, COMPATIBLE)
        assert await database.problem() is None
        newer = await Database.open(url)
        await change(newer, "UPDATE schema_compatibility SET usable_from = '0101'")

        assert "needs a version that knows '0101'" in str(await database.problem())
        with pytest.raises(Unavailable):
            await ask(Store(database), "1", "s")

        # As when the newer version is taken back, and a backup restored.
        await change(newer, f"UPDATE schema_compatibility SET usable_from = '{HEAD}'")
        await eventually(lambda: "database_usable_again" in [line["event"] for line in logs])
    assert [line["event"] for line in logs] == ["database_unusable", "database_usable_again"]
    await ask(Store(database), "1", "s")
    for opened in (newer, database):
        await opened.close()


@pytest.fixture
def newer_url(new_url: Callable[[], str], tmp_path: Path) -> str:
    """A database that a newer version has changed, in a way that this one can live with."""
    url = new_url()
    upgrade(url, quiet)
    asyncio.run(upgrade_to_the_future(url, tmp_path, COMPATIBLE))
    return url


def quiet(_line: str) -> None:
    pass


def test_an_operator_is_told_that_a_newer_version_made_it(newer_url: str) -> None:
    state, upgraded, audited = [], [], []  # type: list[str], list[str], list[str]
    status(newer_url, state.append)
    upgrade(newer_url, upgraded.append)
    audit_command.tell(newer_url, audited.append, since=None, user_id=None)

    told = f"0101, made by a newer version, usable by this one (which knows {HEAD})"
    assert state[1] == f"schema    {told}"
    assert "rows                0  messages" in state
    assert upgraded[0].endswith(f"nothing was changed. The schema is at {told}")
    assert audited == []


def test_it_is_copied_by_the_newer_version_alone(newer_url: str, new_url: Callable[[], str]) -> None:
    empty = new_url()
    with pytest.raises(CopyRefused, match=r"the source was made by a newer version.* it is at '0101'.* Copy with the"):
        copy(newer_url, empty, quiet)
    assert tables_in(empty) == []

    upgrade(empty, quiet)
    with pytest.raises(CopyRefused, match=r"the target was made by a newer version"):
        copy(empty, newer_url, quiet)


def test_one_that_this_version_cannot_use_is_not_copied_either(new_url: Callable[[], str], tmp_path: Path) -> None:
    source, target = new_url(), new_url()
    for url in (source, target):
        upgrade(url, quiet)
    asyncio.run(upgrade_to_the_future(source, tmp_path, BREAKING))

    for pair in ((source, target), (target, source)):
        with pytest.raises(NewerDatabase):
            copy(*pair, quiet)
    with pytest.raises(NewerDatabase):
        status(source, quiet)


def tables_in(url: str) -> list[str]:
    async def look() -> list[str]:
        database = await Database.open(url)
        try:
            return await database.read(lambda connection: inspect(connection).get_table_names())
        finally:
            await database.close()

    return asyncio.run(look())
