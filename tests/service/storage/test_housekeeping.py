"""Sessions that nobody has used for long go, and leave nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from aichat_backend.chat.audit import AuditAction
from aichat_backend.chat.files import NewFile
from aichat_backend.chat.parts import ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from aichat_backend.chat.underway import KeptDraft
from aichat_backend.storage import audit_retention, leaving, retention
from aichat_backend.storage.attachments import PATIENCE
from aichat_backend.storage.audit import SqlAuditTrail
from aichat_backend.storage.database import Database
from aichat_backend.storage.files import SqlFileStore
from aichat_backend.storage.housekeeping import Housekeeping
from aichat_backend.storage.runs import SqlRunStore
from aichat_backend.storage.tables import metadata
from fakes.clock import SteppingClock
from fakes.conversations import answer, ask, texts
from fakes.databases import ON_SQLITE
from fakes.messages import start
from fakes.sql import column, rows
from fakes.stores import Store

ANN, BOB = "4711", "2"
PLANTED = "xq7planted"


@pytest.fixture
async def life(store: Store, files: SqlFileStore, clock: SteppingClock) -> None:
    """Old sessions of two users, then a month of silence, then newer ones, one of which was an old one."""
    for name in ("old", "revived"):
        for user in (ANN, BOB):
            kept = await files.keep(NewFile("f", "text/plain", f"{PLANTED} {name} {user} ".encode() * 500))
            turn = await store.open_turn(
                user, name, title=f"{PLANTED} {name}", parts=(TextPart(PLANTED * 9), kept), context={}
            )
            await store.close_turn(turn, answer(f"{PLANTED} answer"))
    clock.now += timedelta(days=31)
    for user in (ANN, BOB):
        await store.open_turn(user, "revived", title="t", parts=(TextPart("Again"),), context={})


def bytes_of(path: Path) -> bytes:
    """All that is in the database's files."""
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


def housekeeping(
    database: Database, clock: SteppingClock, days: int | None = 30, audit_days: int | None = None
) -> Housekeeping:
    return Housekeeping(database, retention_days=days, audit_retention_days=audit_days, clock=clock)


async def listed(store: Store, user: str) -> tuple[list[str], int]:
    page = await store.list_sessions(user, page=1, limit=9)
    return [session.id for session in page.items], page.total


@pytest.mark.usefixtures("life")
async def test_sessions_without_activity_for_so_long_go(store: Store, database: Database, clock: SteppingClock) -> None:
    with capture_logs() as logs:
        await housekeeping(database, clock).tidy()

    for user in (ANN, BOB):
        assert await listed(store, user) == (["revived"], 1)
        assert len(await texts(store, user, "revived")) == 3
        assert (await store.find_sessions(user, PLANTED, page=1, limit=9)).total == 1
    assert await column(database, "SELECT count(*) FROM blobs") == [2]
    assert await column(database, "SELECT count(*) FROM messages") == [6]
    told = [{**log} for log in logs if log["event"] == "old_sessions_deleted"]
    assert [(log["sessions"], log["messages"]) for log in told] == [(2, 4)]


@pytest.mark.usefixtures("life")
async def test_each_session_that_goes_is_in_the_audit_trail(database: Database, clock: SteppingClock) -> None:
    await housekeeping(database, clock).tidy()
    await housekeeping(database, clock).tidy()

    entries = await SqlAuditTrail(database).entries()
    assert sorted((entry.action, entry.user_id, entry.session_id) for entry in entries) == [
        (AuditAction.SESSION_EXPIRED, BOB, "old"),
        (AuditAction.SESSION_EXPIRED, ANN, "old"),
    ]
    assert all(clock.now - timedelta(minutes=1) < entry.at <= clock.now for entry in entries)


@pytest.mark.usefixtures("life")
async def test_without_a_retention_nothing_goes(store: Store, database: Database, clock: SteppingClock) -> None:
    await housekeeping(database, clock, days=None).tidy()

    assert await listed(store, ANN) == (["revived", "old"], 2)


@ON_SQLITE
@pytest.mark.usefixtures("life")
async def test_what_goes_is_in_no_row_and_no_file_any_more(
    database: Database, clock: SteppingClock, path: Path
) -> None:
    clock.now += timedelta(days=31)
    await housekeeping(database, clock).tidy()

    for table in metadata.tables:
        assert not [row for row in await rows(database, f"SELECT * FROM {table}") if PLANTED in repr(row)]
    assert PLANTED.encode() not in await asyncio.to_thread(bytes_of, path)


@pytest.mark.usefixtures("life")
async def test_sessions_go_while_other_processes_use_the_database_and_more_of_them_start(
    database: Database, url: str, clock: SteppingClock
) -> None:
    tidied = asyncio.Event()

    async def start_others() -> None:
        while not tidied.is_set():
            other = await Database.open(url)
            await other.close()

    other = await Database.open(url)
    async with asyncio.TaskGroup() as group:
        group.create_task(start_others())
        with capture_logs() as logs:
            await housekeeping(database, clock).tidy()
        tidied.set()
    await other.close()

    assert [log["sessions"] for log in logs if log["event"] == "old_sessions_deleted"] == [2]


async def note_deletions(store: Store, *sessions: str) -> None:
    for name in sessions:
        await ask(store, ANN, name)
        await store.delete_session(ANN, name)


async def noted(database: Database) -> list[str | None]:
    return [entry.session_id for entry in await SqlAuditTrail(database).entries()]


async def test_old_entries_of_the_audit_trail_go_in_steps(
    store: Store, database: Database, clock: SteppingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_retention, "_ENTRIES_A_STEP", 2)
    await note_deletions(store, "a", "b", "c", "d", "e")
    clock.now += timedelta(days=31)
    await note_deletions(store, "f", "g")
    before = clock.now - timedelta(days=30)
    remove_some = partial(audit_retention.remove_some_entries, before=before)
    assert await database.write(remove_some) == 2
    assert await noted(database) == ["c", "d", "e", "f", "g"]

    with capture_logs() as logs:
        await housekeeping(database, clock, audit_days=30).tidy()
        await housekeeping(database, clock, audit_days=30).tidy()

    assert await noted(database) == ["f", "g"]
    assert [log["entries"] for log in logs if log["event"] == "old_audit_entries_deleted"] == [3]


async def test_the_audit_trail_outlives_the_sessions_when_nothing_is_said_of_it(
    store: Store, database: Database, clock: SteppingClock
) -> None:
    await note_deletions(store, "a")
    clock.now += timedelta(days=4000)

    await housekeeping(database, clock).tidy()

    assert await noted(database) == ["a"]


@ON_SQLITE
async def test_entries_that_go_are_in_no_file_any_more(
    store: Store, database: Database, clock: SteppingClock, path: Path
) -> None:
    await note_deletions(store, PLANTED)
    clock.now += timedelta(days=31)

    await housekeeping(database, clock, audit_days=30).tidy()

    assert PLANTED.encode() not in await asyncio.to_thread(bytes_of, path)


async def test_long_sessions_go_in_steps_and_what_was_left_undone_is_done(
    store: Store, database: Database, clock: SteppingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "_MESSAGES_A_STEP", 2)
    for number in range(5):
        await ask(store, ANN, "long", f"question {number}")
    clock.now += timedelta(days=31)
    before = clock.now - timedelta(days=30)
    assert await database.write(lambda connection: retention.disown_some(connection, ANN, before, clock())) == 1
    assert await database.write(lambda connection: leaving.remove_some(connection, leaving.nobody_after(ANN))) == 2
    assert await listed(store, ANN) == ([], 0)
    assert await column(database, "SELECT count(*) FROM messages") == [3]

    await housekeeping(database, clock, days=None).tidy()

    assert await column(database, "SELECT count(*) FROM messages") == [0]
    assert await column(database, "SELECT count(*) FROM sessions") == [0]


async def test_files_that_were_never_sent_go(files: SqlFileStore, database: Database, clock: SteppingClock) -> None:
    await files.keep(NewFile("f", "text/plain", b"never sent"))
    clock.now += PATIENCE + timedelta(seconds=1)

    await housekeeping(database, clock, days=None).tidy()

    assert await column(database, "SELECT count(*) FROM blobs") == [0]


REMOVALS = ["delete", "clear", "regenerate"]


async def delete(store: Store) -> None:
    await store.delete_session(ANN, "s")


async def clear(store: Store) -> None:
    await store.clear_messages(ANN, "s")


async def regenerate(store: Store) -> None:
    await store.close_turn(await store.reopen_turn(ANN, "s"), answer("Something better."))


@ON_SQLITE
@pytest.mark.parametrize(
    ("remove", "question"), [(delete, PLANTED), (clear, PLANTED), (regenerate, "Why?")], ids=REMOVALS
)
@pytest.mark.parametrize("words", [(TextPart(f"{PLANTED} " * 200),), ()], ids=["words", "no words"])
async def test_what_users_remove_is_in_no_row_and_soon_in_no_file(
    store: Store,
    files: SqlFileStore,
    database: Database,
    clock: SteppingClock,
    path: Path,
    remove: Callable[[Store], Awaitable[None]],
    question: str,
    words: tuple[TextPart, ...],
) -> None:
    await ask(store, ANN, "another", "something")
    sent, returned = [
        await files.keep(NewFile(f"{text}.txt", "text/plain", f"{name} {text} ".encode() * 500, text * 50))
        for name, text in (("sent", question), ("returned", PLANTED))
    ]
    turn = await store.open_turn(ANN, "s", title="t", parts=(TextPart(question * 99), sent), context={"page": question})
    said = (
        ReasoningPart(PLANTED * 9),
        *words,
        ToolCallPart(PLANTED, PLANTED, f'{{"{PLANTED}": 1}}'),
        ToolResultPart(PLANTED, PLANTED, PLANTED * 99, files=(returned,)),
    )
    await SqlRunStore(database).begin_calls(turn.run_id, KeptDraft(said), [start()])
    await store.close_turn(turn, answer(*said))
    assert PLANTED.encode() in await asyncio.to_thread(bytes_of, path)

    await remove(store)
    for table in metadata.tables:
        assert not [row for row in await rows(database, f"SELECT * FROM {table}") if PLANTED in repr(row)]
    assert (await store.find_sessions(ANN, PLANTED, page=1, limit=9)).total == 0

    await housekeeping(database, clock, days=None).tidy()
    assert PLANTED.encode() not in await asyncio.to_thread(bytes_of, path)
    assert (await store.find_sessions(ANN, "something", page=1, limit=9)).total > 0


async def test_it_goes_on_again_and_again(store: Store, database: Database, clock: SteppingClock) -> None:
    await ask(store, ANN, "s")
    asked = asyncio.Event()

    def silence() -> datetime:
        """A month has passed by the second time."""
        if asked.is_set():
            return clock() + timedelta(days=31)
        asked.set()
        return clock()

    watching = asyncio.create_task(Housekeeping(database, retention_days=30, clock=silence, every=0).watch())
    with capture_logs() as logs:
        async with asyncio.timeout(20):
            while not any(log["event"] == "old_sessions_deleted" for log in logs):
                await store.list_sessions(ANN, page=1, limit=1)
    watching.cancel()
    await asyncio.wait({watching})

    assert await listed(store, ANN) == ([], 0)
