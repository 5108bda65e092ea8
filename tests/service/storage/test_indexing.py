"""A question is found a moment after it was asked, by whatever its run is kept or ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from aichat_backend.chat.approvals import Decision
from aichat_backend.chat.turns import OpenedTurn
from aichat_backend.chat.underway import KeptDraft
from aichat_backend.errors import NotFound
from aichat_backend.storage.conversations import SqlConversationStore
from aichat_backend.storage.database import Database
from aichat_backend.storage.runs import SqlRunStore
from fakes.clock import SteppingClock
from fakes.conversations import all_messages, answer, approval_of_calls, ask
from fakes.sql import column
from fakes.stores import Store

ANN = "1"

Later = Callable[[Store, SqlRunStore, OpenedTurn], Awaitable[object]]


@pytest.fixture
def runs(database: Database, clock: SteppingClock) -> SqlRunStore:
    return SqlRunStore(database, clock=clock)


@pytest.fixture
def searched(database: Database) -> SqlConversationStore:
    """Searches that see what is there, and do nothing to it."""
    return SqlConversationStore(database)


async def found(searched: SqlConversationStore, query: str) -> int:
    return (await searched.find_sessions(ANN, query, page=1, limit=9)).total


async def keep(_store: Store, runs: SqlRunStore, turn: OpenedTurn) -> object:
    return await runs.keep({}, [turn.run_id])


async def close(store: Store, _runs: SqlRunStore, turn: OpenedTurn) -> object:
    return await store.close_turn(turn, answer("Because."))


async def leave(store: Store, _runs: SqlRunStore, turn: OpenedTurn) -> object:
    return await store.leave_turn(turn)


async def die(_store: Store, runs: SqlRunStore, _turn: OpenedTurn) -> object:
    (sign,) = await runs.signs()
    return await runs.interrupt(sign)


@pytest.mark.parametrize("later", [keep, close, leave, die])
@pytest.mark.parametrize("session_id", [None, "own"])
async def test_it_is_found_with_its_title_as_soon_as_its_run_is_kept_or_ends(
    store: Store, runs: SqlRunStore, searched: SqlConversationStore, later: Later, session_id: str | None
) -> None:
    turn = await ask(store, ANN, session_id, "Why is checkout slow?")

    await later(store, runs, turn)

    assert await found(searched, "checkout") == 1
    assert await found(searched, "about why") == 1


async def test_it_is_indexed_once(store: Store, runs: SqlRunStore, database: Database) -> None:
    first = await ask(store, ANN, "s", "First?")
    for _ in range(3):
        await runs.keep({first.run_id: KeptDraft()}, [first.run_id])
    await store.close_turn(first, answer("Because."))
    second = await ask(store, ANN, "s", "?!")
    for _ in range(3):
        await runs.keep({second.run_id: KeptDraft()}, [second.run_id])

    assert await column(database, "SELECT words FROM search_documents ORDER BY pk") == [
        "1:about 1:first",
        "1:first",
        "1:because",
        "",
    ]


async def test_an_answer_given_anew_or_after_an_approval_indexes_nothing_again(
    store: Store, runs: SqlRunStore, database: Database
) -> None:
    asking = approval_of_calls("c")
    await store.close_turn(await ask(store, ANN, "s", "First?"), asking)
    documents = await column(database, "SELECT pk FROM search_documents ORDER BY pk")

    for turn in (
        await store.decide_turn(ANN, "s", Decision(asking.id, approved=True)),
        await store.reopen_turn(ANN, "s"),
    ):
        await runs.keep({}, [turn.run_id])

    assert await column(database, "SELECT pk FROM search_documents ORDER BY pk") == documents


async def test_a_session_that_was_renamed_meanwhile_has_its_new_title(
    store: Store, runs: SqlRunStore, searched: SqlConversationStore
) -> None:
    turn = await ask(store, ANN, "s", "Why?")
    await store.rename_session(ANN, "s", "Capacity")
    await runs.keep({}, [turn.run_id])

    assert await found(searched, "capacity") == 1
    assert await found(searched, "about") == 0


@pytest.mark.thorough
async def test_titles_that_change_at_the_same_moment_are_found_as_they_are(
    store: Store, runs: SqlRunStore, searched: SqlConversationStore
) -> None:
    for number in range(30):
        turn = await ask(store, ANN, f"s{number}", "Why?")
        await asyncio.gather(store.rename_session(ANN, f"s{number}", f"Capacity{number}"), runs.keep({}, [turn.run_id]))

        assert await found(searched, f"capacity{number}") == 1
        assert await found(searched, "about") == 0


@pytest.mark.thorough
async def test_sessions_that_go_at_the_same_moment_leave_nothing(
    store: Store, runs: SqlRunStore, database: Database
) -> None:
    for number in range(30):
        turn = await ask(store, ANN, f"s{number}", "Why?")
        await asyncio.gather(store.delete_session(ANN, f"s{number}"), runs.keep({}, [turn.run_id]))

    with pytest.raises(NotFound):
        await all_messages(store, ANN, "s0")
    assert await column(database, "SELECT count(*) FROM search_documents") == [0]
