"""Who wants to be forgotten is: nothing is left in any row, nor in the files."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aichat_backend.chat.conversation import Message
from aichat_backend.chat.files import NewFile, StoredFile
from aichat_backend.chat.parts import ReasoningPart, TextPart, ToolCallPart, ToolResultPart, Usage
from aichat_backend.errors import Unavailable
from aichat_backend.storage import audit, forgetting
from aichat_backend.storage.attachments import PATIENCE
from aichat_backend.storage.database import Database
from aichat_backend.storage.files import SqlFileStore
from aichat_backend.storage.tables import metadata
from aichat_backend.storage.usage import SqlUsageStore
from fakes.clock import SteppingClock
from fakes.conversations import approval_of_calls, ask, texts
from fakes.databases import ON_SQLITE
from fakes.sql import column, rows
from fakes.stores import Store

pytestmark = pytest.mark.thorough

ANN, BOB = "4711", "2"
PLANTED = "xq7-planted"


@pytest.fixture
async def anns_life(store: Store, files: SqlFileStore, usage: SqlUsageStore) -> None:
    """Something of everything, some of it changed or deleted in between, with Bob's beside it."""
    for number in range(30):
        name = f"{PLANTED}-session-{number}"
        own = await files.keep(
            NewFile(f"{PLANTED}.txt", "text/plain", f"{PLANTED} {number} ".encode() * 2000, PLANTED * 50)
        )
        turn = await store.open_turn(
            ANN, name, title=f"{PLANTED} title", parts=(TextPart(PLANTED * 300), own), context={PLANTED: PLANTED}
        )
        asking = approval_of_calls(f"{PLANTED}-call")
        await store.close_turn(turn, with_parts(asking))
        await store.rename_session(ANN, name, f"{PLANTED} renamed {number}")
        await usage.add(ANN, f"{PLANTED}-model-{number}", Usage(1, 1))
        await ask(store, BOB, f"s{number}", "Bob's own " * 200)
        if number % 7 == 0:
            await store.delete_session(ANN, name)
        elif number % 5 == 0:
            await store.clear_messages(ANN, name)


def with_parts(message: Message) -> Message:
    parts = (ReasoningPart(PLANTED), *message.parts, ToolCallPart("c", PLANTED, PLANTED))
    return Message(
        id=message.id,
        role=message.role,
        parts=(*parts, ToolResultPart("c", PLANTED, PLANTED * 100)),
        status=message.status,
        created_at=message.created_at,
        model=PLANTED,
        approval=message.approval,
    )


def bytes_of(path: Path) -> bytes:
    """All that is in the database's files."""
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


@ON_SQLITE
@pytest.mark.usefixtures("anns_life")
async def test_nothing_is_left_in_the_files(store: Store, database: Database, path: Path) -> None:
    assert PLANTED.encode() in await asyncio.to_thread(bytes_of, path)

    await store.erase(ANN)

    assert PLANTED.encode() not in await asyncio.to_thread(bytes_of, path)
    assert await column(database, "PRAGMA foreign_key_check") == []
    await database.close()
    assert PLANTED.encode() not in await asyncio.to_thread(bytes_of, path)


@pytest.mark.usefixtures("anns_life")
async def test_nothing_is_left_in_any_row_and_all_of_others_is_there(store: Store, database: Database) -> None:
    await store.erase(ANN)

    for table in metadata.tables:
        assert not [row for row in await rows(database, f"SELECT * FROM {table}") if PLANTED in repr(row)]
    assert (await store.list_sessions(ANN, page=1, limit=9)).total == 0
    assert (await store.list_sessions(BOB, page=1, limit=9)).total == 30
    assert await texts(store, BOB, "s3") == ["Bob's own " * 200]


async def test_contents_that_others_have_as_well_stay(store: Store, files: SqlFileStore) -> None:
    shared = NewFile("shared.txt", "text/plain", b"both", "both")
    for user_id in (ANN, BOB):
        kept = await files.keep(shared)
        await store.open_turn(user_id, "s", title="t", parts=(TextPart("See."), kept), context={})

    await store.erase(ANN)
    assert await files.read(kept.sha256) == StoredFile(b"both", "both")

    await store.erase(BOB)
    assert await files.read(kept.sha256) is None


async def test_what_was_never_sent_is_forgotten_when_it_has_waited_long_enough(
    store: Store, files: SqlFileStore, database: Database, clock: SteppingClock
) -> None:
    kept = await files.keep(NewFile("f", "text/plain", b"never sent"))
    await store.erase(ANN)
    assert await column(database, "SELECT sha256 FROM blobs") == [kept.sha256]

    clock.now += PATIENCE
    await store.erase(ANN)

    assert await column(database, "SELECT sha256 FROM blobs") == []


async def test_who_was_never_there_can_be_forgotten(store: Store) -> None:
    await ask(store, BOB, "s")

    await store.erase(ANN)

    assert await texts(store, BOB, "s") == ["Why?"]


async def test_while_somebody_reads_what_was_there_it_is_not_reported_as_gone(
    path: Path, migrated_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.to_thread(shutil.copyfile, migrated_database, path)
    monkeypatch.setattr(forgetting, "PATIENCE_SECONDS", 0)
    database = await Database.open(f"sqlite:///{path}")
    store = Store(database)
    await ask(store, ANN, "s", PLANTED)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM messages").fetchall()
        with pytest.raises(Unavailable, match="keeps reading"):
            await store.erase(ANN)
    assert PLANTED.encode() in bytes_of(path)

    await store.erase(ANN)

    assert PLANTED.encode() not in bytes_of(path)
    await database.close()


async def test_an_erasure_that_breaks_off_has_taken_all_and_the_next_one_leaves_nothing(
    store: Store, database: Database
) -> None:
    await ask(store, ANN, "s")
    await ask(store, BOB, "s")
    await store.take_all(ANN)
    assert (await store.list_sessions(ANN, page=1, limit=9)).total == 0
    assert await column(database, "SELECT count(*) FROM messages") == [2]

    await store.erase(ANN)

    assert await column(database, "SELECT count(*) FROM messages") == [1]
    assert await column(database, "SELECT user_id FROM sessions") == [BOB]


async def test_a_long_audit_trail_forgets_in_steps_under_one_name(
    store: Store, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "_A_STEP", 2)
    for number in range(3):
        await ask(store, ANN, f"s{number}")
        await store.delete_session(ANN, f"s{number}")

    await store.erase(ANN)

    ((number, name),) = await rows(database, "SELECT count(*), user_id FROM audit GROUP BY user_id")
    assert number == 4
    assert name.startswith("erased-")
