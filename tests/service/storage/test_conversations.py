"""Sessions and messages of two users who know nothing of each other."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest

from aichat_backend.chat.conversation import MessageStatus
from aichat_backend.chat.parts import ReasoningPart, Role, TextPart, Usage
from aichat_backend.chat.turns import OpenedTurn
from aichat_backend.errors import NotFound
from aichat_backend.storage.database import Database
from fakes.clock import SteppingClock
from fakes.conversations import all_messages, answer, ask, texts
from fakes.sql import column
from fakes.stores import Store

ANN, BOB = "1", "2"


async def titles(store: Store, user_id: str) -> list[str]:
    return [session.title for session in (await store.list_sessions(user_id, page=1, limit=100)).items]


async def test_a_session_is_found_again_as_it_was_made(store: Store) -> None:
    created = await store.create_session(ANN, "Slow query 🐢")

    assert await store.get_session(ANN, created.id) == created
    assert (created.user_id, created.title) == (ANN, "Slow query 🐢")
    assert created.created_at == created.updated_at


async def test_ids_are_128_random_bits_that_need_no_url_encoding(store: Store) -> None:
    opened = [await ask(store, ANN, None) for _ in range(20)]
    ids = [turn.session.id for turn in opened] + [turn.message.id for turn in opened]

    assert len(set(ids)) == 40
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", made) for made in ids)


async def test_sessions_are_listed_by_newest_activity(store: Store) -> None:
    first = await store.create_session(ANN, "first")
    second = await store.create_session(ANN, "second")
    await store.create_session(ANN, "third")

    turn = await ask(store, ANN, first.id)
    assert await titles(store, ANN) == ["first", "third", "second"]
    await store.rename_session(ANN, second.id, "second, renamed")
    assert await titles(store, ANN) == ["second, renamed", "first", "third"]
    await store.close_turn(turn, answer("Because."))
    assert await titles(store, ANN) == ["first", "second, renamed", "third"]


async def test_sessions_of_the_same_instant_are_listed_newest_first(database: Database) -> None:
    frozen = SteppingClock().now
    store = Store(database, clock=lambda: frozen)
    for title in ("a", "b", "c"):
        await store.create_session(ANN, title)

    assert await titles(store, ANN) == ["c", "b", "a"]


async def test_a_list_comes_in_pages_with_the_total(store: Store) -> None:
    for number in range(5):
        await store.create_session(ANN, str(number))

    page = await store.list_sessions(ANN, page=2, limit=2)

    assert [session.title for session in page.items] == ["2", "1"]
    assert (page.page, page.limit, page.offset, page.total) == (2, 2, 2, 5)
    assert (await store.list_sessions(ANN, page=4, limit=2)).items == ()
    assert (await store.list_sessions(ANN, page=10**30, limit=100)).total == 5
    assert (await store.list_sessions(BOB, page=1, limit=2)).total == 0


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 9])
async def test_pages_from_both_ends_of_the_list_make_the_whole(store: Store, limit: int) -> None:
    made = [(await store.create_session(ANN, "t")).id for _ in range(7)]

    pages = [(await store.list_sessions(ANN, page=page, limit=limit)).items for page in range(1, 9)]

    assert [session.id for page in pages for session in page] == made[::-1]
    assert all(len(page) == limit for page in pages[: 7 // limit])


async def test_a_question_opens_a_session_under_a_fresh_id(store: Store) -> None:
    turn = await store.open_turn(
        ANN, None, title="Dashboards", parts=(TextPart("Why?"),), context={"dashboard": "MySQL"}
    )

    assert await store.get_session(ANN, turn.session.id) == turn.session
    assert turn.session.title == "Dashboards"
    assert await all_messages(store, ANN, turn.session.id) == (turn.message,)
    assert (turn.message.role, turn.message.text) == (Role.USER, "Why?")
    assert turn.message.context == {"dashboard": "MySQL"}


async def test_an_invented_id_is_taken_as_it_is_and_names_one_session_of_each_user(store: Store) -> None:
    first = await ask(store, ANN, "qan_overview_1", "Mine?")
    again = await ask(store, ANN, "qan_overview_1", "And this?")
    await ask(store, BOB, "qan_overview_1", "Not hers")

    assert first.session.id == again.session.id == "qan_overview_1"
    assert again.session.title == first.session.title
    assert again.session.created_at == first.session.created_at
    assert again.session.updated_at > first.session.updated_at
    assert await texts(store, ANN, "qan_overview_1") == ["Mine?", "And this?"]
    assert await texts(store, BOB, "qan_overview_1") == ["Not hers"]


async def test_an_answer_is_stored_with_all_that_belongs_to_it(store: Store) -> None:
    turn = await ask(store, ANN, None)
    given = answer(ReasoningPart("Hm."), TextPart("Slow "), "disks", status=MessageStatus.STOPPED, usage=Usage(7, 0))

    assert await store.close_turn(turn, given)

    assert await all_messages(store, ANN, turn.session.id) == (turn.message, given)


async def test_without_a_page_the_newest_messages_come_oldest_first(store: Store) -> None:
    for number in range(5):
        await ask(store, ANN, "s", str(number))

    newest = await store.list_messages(ANN, "s", page=None, limit=2)
    second = await store.list_messages(ANN, "s", page=2, limit=2)

    assert [message.text for message in newest.items] == ["3", "4"]
    assert (newest.page, newest.limit, newest.total) == (1, 2, 5)
    assert [message.text for message in second.items] == ["2", "3"]
    assert (second.page, second.offset, second.total) == (2, 2, 5)
    assert (await store.list_messages(ANN, "s", page=10**30, limit=100)).items == ()


async def test_clearing_keeps_the_session(store: Store) -> None:
    await ask(store, ANN, "s")
    await ask(store, ANN, "other", "stays")
    await ask(store, BOB, "s", "stays too")

    await store.clear_messages(ANN, "s")

    assert (await store.list_messages(ANN, "s", page=None, limit=50)).total == 0
    assert await texts(store, ANN, "other") == ["stays"]
    assert await texts(store, BOB, "s") == ["stays too"]


async def test_deleting_takes_the_messages_along(store: Store, database: Database) -> None:
    await ask(store, ANN, "s", "gone")
    await ask(store, BOB, "s", "stays")

    await store.delete_session(ANN, "s")

    assert await titles(store, ANN) == []
    kept = await column(database, "SELECT parts FROM messages")
    assert ["stays" in parts for parts in kept] == [True]


Gone = Callable[[Store], Awaitable[None]]


async def _deleted(store: Store) -> None:
    await store.delete_session(ANN, "s")


async def _cleared(store: Store) -> None:
    await store.clear_messages(ANN, "s")


async def _cleared_and_asked_again(store: Store) -> None:
    await store.clear_messages(ANN, "s")
    await ask(store, ANN, "s", "new")


async def _deleted_and_made_again(store: Store) -> None:
    await store.delete_session(ANN, "s")
    await ask(store, ANN, "s", "new")


@pytest.mark.parametrize("take_away", [_deleted, _cleared, _cleared_and_asked_again, _deleted_and_made_again])
async def test_an_answer_whose_question_is_gone_is_not_stored(store: Store, take_away: Gone) -> None:
    turn = await ask(store, ANN, "s", "old")
    await take_away(store)
    before = await _everything(store)

    assert not await store.close_turn(turn, answer("too late"))

    assert await _everything(store) == before


async def _everything(store: Store) -> list[object]:
    sessions = (await store.list_sessions(ANN, page=1, limit=100)).items
    return [(session, await all_messages(store, ANN, session.id)) for session in sessions]


async def test_an_answer_to_another_users_question_is_not_stored(store: Store) -> None:
    turn = await ask(store, ANN, "s")
    await ask(store, BOB, "s", "his own")
    his = await store.get_session(BOB, "s")

    assert not await store.close_turn(
        OpenedTurn(run_id=turn.run_id, session=his, history=turn.history), answer("misled")
    )

    assert await texts(store, ANN, "s") == ["Why?"]
    assert await texts(store, BOB, "s") == ["his own"]


CALLS: dict[str, Callable[[Store, str, str], Awaitable[object]]] = {
    "get": lambda store, user, session: store.get_session(user, session),
    "rename": lambda store, user, session: store.rename_session(user, session, "taken"),
    "delete": lambda store, user, session: store.delete_session(user, session),
    "clear": lambda store, user, session: store.clear_messages(user, session),
    "newest messages": lambda store, user, session: store.list_messages(user, session, page=None, limit=50),
    "messages": lambda store, user, session: store.list_messages(user, session, page=1, limit=50),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_a_foreign_session_is_as_missing_as_one_that_never_was(
    store: Store, call: Callable[[Store, str, str], Awaitable[object]]
) -> None:
    hers = (await ask(store, ANN, None)).session

    with pytest.raises(NotFound) as foreign:
        await call(store, BOB, hers.id)
    with pytest.raises(NotFound) as missing:
        await call(store, BOB, "never-was")

    assert foreign.value.message == missing.value.message == "Session not found"
    assert await store.get_session(ANN, hers.id) == hers
    assert await texts(store, ANN, hers.id) == ["Why?"]
