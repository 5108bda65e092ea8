"""Contents are kept once, found by their owner alone, and gone with the last message that has them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from msgspec.structs import replace

from aichat_backend.chat.files import NewFile, StoredFile
from aichat_backend.chat.parts import AttachmentPart, TextPart, ToolResultPart
from aichat_backend.chat.turns import OpenedTurn
from aichat_backend.chat.underway import KeptDraft
from aichat_backend.errors import NotFound
from aichat_backend.storage.attachments import PATIENCE
from aichat_backend.storage.database import Database
from aichat_backend.storage.files import SqlFileStore
from aichat_backend.storage.runs import SqlRunStore
from fakes.clock import SteppingClock
from fakes.conversations import answer, ask
from fakes.sql import column
from fakes.stores import Store

ANN, BOB = "1", "2"
PLAN = NewFile("plan.txt", "text/plain", b"EXPLAIN \0\xff", "EXPLAIN")
SHOT = NewFile("shot.png", "image/png", b"\x89PNG")


async def send(store: Store, user_id: str, session_id: str, *attachments: AttachmentPart) -> OpenedTurn:
    """A question with files."""
    return await store.open_turn(user_id, session_id, title="t", parts=(TextPart("See."), *attachments), context={})


async def contents(database: Database) -> list[str]:
    """The hashes of all that is kept."""
    return sorted(await column(database, "SELECT sha256 FROM blobs"))


async def test_contents_come_back_to_the_byte(files: SqlFileStore) -> None:
    kept = await files.keep(PLAN)

    assert await files.read(kept.sha256) == StoredFile(PLAN.data, "EXPLAIN")
    assert (kept.filename, kept.mime_type, kept.size) == ("plan.txt", "text/plain", 10)
    assert kept.sha256 == hashlib.sha256(PLAN.data).hexdigest()
    assert await files.read("0" * 64) is None


async def test_contents_are_kept_once_under_an_id_for_each_message(files: SqlFileStore, database: Database) -> None:
    first, again = await asyncio.gather(files.keep(PLAN), files.keep(replace(PLAN, filename="same.txt")))

    assert first.id != again.id
    assert (first.filename, again.filename) == ("plan.txt", "same.txt")
    assert await contents(database) == [first.sha256]


@pytest.mark.parametrize("name", ["half a \ud83d tortoise.txt", "a\0b.txt"])
async def test_names_and_text_are_repaired(store: Store, files: SqlFileStore, name: str) -> None:
    kept = await files.keep(NewFile(name, "text/plain", b"x", name))
    turn = await send(store, ANN, "s", kept)

    shown = name.replace("\ud83d", "\ufffd").replace("\0", "\ufffd")
    assert kept.filename == shown
    assert turn.message.attachments == (kept,)
    assert await files.find(ANN, kept.id) == kept
    stored = await files.read(kept.sha256)
    assert stored is not None
    assert stored.text == shown


async def test_a_file_is_its_users_once_it_is_sent(store: Store, files: SqlFileStore) -> None:
    kept = await files.keep(PLAN)
    with pytest.raises(NotFound):
        await files.find(ANN, kept.id)

    turn = await send(store, ANN, "s", kept)

    assert turn.message.attachments == (kept,)
    assert await files.find(ANN, kept.id) == kept


@pytest.mark.parametrize("attachment_id", ["never-was", "", "a\0b", "half a \ud83d tortoise"])
async def test_a_foreign_file_is_as_missing_as_one_that_never_was(
    store: Store, files: SqlFileStore, attachment_id: str
) -> None:
    hers = await files.keep(PLAN)
    await send(store, ANN, "s", hers)

    said = set()
    for wanted in (hers.id, attachment_id):
        with pytest.raises(NotFound) as missing:
            await files.find(BOB, wanted)
        said.add(missing.value.message)
    assert said == {"Attachment not found"}


async def test_files_that_tools_returned_are_found_too(store: Store, files: SqlFileStore, database: Database) -> None:
    kept = await files.keep(SHOT)
    turn = await ask(store, ANN, "s")

    await store.close_turn(turn, answer(ToolResultPart("c", "screenshot", "See.", files=(kept,)), "There."))

    assert await files.find(ANN, kept.id) == kept
    await store.clear_messages(ANN, "s")
    assert await contents(database) == []


async def test_one_file_can_go_with_several_messages(store: Store, files: SqlFileStore, database: Database) -> None:
    kept = await files.keep(PLAN)
    await send(store, ANN, "s", kept, kept)
    await send(store, ANN, "other", await files.find(ANN, kept.id))

    await store.delete_session(ANN, "s")
    assert await files.find(ANN, kept.id) == kept
    assert await contents(database) == [kept.sha256]
    await store.delete_session(ANN, "other")
    assert await contents(database) == []


Removal = Callable[[Store], Awaitable[object]]
REMOVALS: dict[str, Removal] = {
    "delete": lambda store: store.delete_session(ANN, "s"),
    "clear": lambda store: store.clear_messages(ANN, "s"),
    "erase": lambda store: store.erase(ANN),
}


@pytest.mark.parametrize("remove", REMOVALS.values(), ids=REMOVALS)
async def test_contents_go_with_the_last_message_that_has_them(
    store: Store, files: SqlFileStore, database: Database, remove: Removal
) -> None:
    shared, own = await files.keep(PLAN), await files.keep(SHOT)
    await send(store, ANN, "s", shared, own)
    await send(store, BOB, "s", await files.keep(PLAN))

    await remove(store)
    assert await contents(database) == [shared.sha256]

    await store.delete_session(BOB, "s")
    assert await contents(database) == []


@pytest.mark.parametrize("remove", REMOVALS.values(), ids=REMOVALS)
async def test_contents_stay_that_are_kept_for_a_message_to_come(
    store: Store, files: SqlFileStore, remove: Removal
) -> None:
    await send(store, ANN, "s", await files.keep(PLAN))
    to_come = await files.keep(PLAN)

    await remove(store)

    await send(store, BOB, "s", to_come)
    assert await files.read(to_come.sha256) == StoredFile(PLAN.data, "EXPLAIN")


async def test_what_is_forgotten_goes_unless_a_message_has_it(
    store: Store, files: SqlFileStore, database: Database
) -> None:
    sent, again, alone = [
        await files.keep(NewFile("a.txt", "text/plain", data, None)) for data in (b"shared", b"shared", b"alone")
    ]
    await send(store, ANN, "s", sent)
    await files.forget([again, alone])
    await files.forget([])

    assert await contents(database) == [sent.sha256]
    assert await column(database, "SELECT id FROM uploads") == []


async def test_files_of_a_replaced_answer_go_and_those_of_the_question_stay(
    store: Store, files: SqlFileStore, database: Database
) -> None:
    asked, shown = await files.keep(PLAN), await files.keep(SHOT)
    turn = await send(store, ANN, "s", asked)
    await store.close_turn(turn, answer(ToolResultPart("c", "screenshot", "See.", files=(shown,)), "There."))

    await store.close_turn(await store.reopen_turn(ANN, "s"), answer("Nothing to see."))

    assert await contents(database) == [asked.sha256]
    with pytest.raises(NotFound):
        await files.find(ANN, shown.id)


@pytest.fixture
def waiting(clock: SteppingClock) -> SteppingClock:
    clock.step = timedelta(0)
    return clock


async def test_what_is_never_sent_is_dropped_after_a_while(
    store: Store, files: SqlFileStore, database: Database, waiting: SteppingClock
) -> None:
    sent, forgotten = await files.keep(PLAN), await files.keep(SHOT)
    await store.close_turn(await send(store, ANN, "s", sent), answer("I see."))
    waiting.now += PATIENCE
    await files.drop_stale()
    assert await contents(database) == sorted([sent.sha256, forgotten.sha256])

    waiting.now += timedelta(microseconds=1)
    await files.drop_stale()

    assert await contents(database) == [sent.sha256]
    assert await column(database, "SELECT count(*) FROM uploads") == [0]


async def test_keeping_something_drops_what_was_never_sent(
    files: SqlFileStore, database: Database, waiting: SteppingClock
) -> None:
    await files.keep(SHOT)
    waiting.now += 2 * PATIENCE

    kept = await files.keep(PLAN)

    assert await contents(database) == [kept.sha256]


async def test_what_is_kept_again_is_kept_for_as_long_again(
    files: SqlFileStore, database: Database, waiting: SteppingClock
) -> None:
    await files.keep(PLAN)
    waiting.now += PATIENCE
    again = await files.keep(PLAN)
    waiting.now += PATIENCE

    await files.drop_stale()

    assert await contents(database) == [again.sha256]


Tidying = Callable[[Store, SqlFileStore], Awaitable[object]]
TIDYING: dict[str, Tidying] = {
    "tidy": lambda _, files: files.drop_stale(),
    "upload": lambda _, files: files.keep(PLAN),
    "erase": lambda store, _: store.erase(BOB),
}


@pytest.mark.parametrize("tidy", TIDYING.values(), ids=TIDYING)
async def test_what_a_tool_returned_stays_for_as_long_as_the_answer_is_under_way(
    store: Store, files: SqlFileStore, waiting: SteppingClock, tidy: Tidying
) -> None:
    turn = await ask(store, ANN, "s")
    shown = await files.keep(SHOT)
    waiting.now += 100 * PATIENCE

    await tidy(store, files)
    await store.close_turn(turn, answer(ToolResultPart("c", "screenshot", "See.", files=(shown,)), "There."))

    assert await files.read(shown.sha256) == StoredFile(SHOT.data, None)
    assert await files.find(ANN, shown.id) == shown


async def test_what_a_tool_returned_stays_until_it_is_known_what_became_of_a_run_that_died(
    store: Store, files: SqlFileStore, database: Database, waiting: SteppingClock
) -> None:
    turn = await ask(store, ANN, "s")
    shown = await files.keep(SHOT)
    runs = SqlRunStore(database, clock=waiting)
    await runs.keep(
        {turn.run_id: KeptDraft((ToolResultPart("c", "screenshot", "See.", files=(shown,)),))}, [turn.run_id]
    )
    waiting.now += 100 * PATIENCE

    await files.drop_stale()
    (sign,) = await runs.signs()
    assert await runs.interrupt(sign)

    await files.drop_stale()
    assert await files.find(ANN, shown.id) == shown
    assert await files.read(shown.sha256) == StoredFile(SHOT.data, None)


async def test_what_was_kept_before_all_that_is_under_way_is_dropped(
    store: Store, files: SqlFileStore, database: Database, waiting: SteppingClock
) -> None:
    await files.keep(PLAN)
    waiting.now += timedelta(seconds=1)
    turn = await ask(store, ANN, "s")
    shown = await files.keep(SHOT)
    waiting.now += 2 * PATIENCE

    await files.drop_stale()
    assert await contents(database) == [shown.sha256]

    await store.leave_turn(turn)
    await files.drop_stale()
    assert await contents(database) == []


async def test_a_message_outlives_contents_that_are_gone(
    store: Store, files: SqlFileStore, waiting: SteppingClock
) -> None:
    kept = await files.keep(PLAN)
    waiting.now += 2 * PATIENCE
    await files.drop_stale()

    turn = await send(store, ANN, "s", kept)

    assert turn.message.attachments == (kept,)
    assert await files.find(ANN, kept.id) == kept
    assert await files.read(kept.sha256) is None


async def test_large_contents_are_kept_whole(store: Store, files: SqlFileStore) -> None:
    data = bytes(range(256)) * 4096 * 10
    kept = await files.keep(NewFile("large", "application/pdf", data, "text"))
    await send(store, ANN, "s", kept)

    stored = await files.read(kept.sha256)

    assert stored is not None
    assert stored.data == data
