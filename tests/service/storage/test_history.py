"""What a turn follows: as much as an answer has use for, read while nobody waits, and exact whatever happens then."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, Row

from aichat_backend.chat.approvals import Decision
from aichat_backend.chat.conversation import Message
from aichat_backend.chat.turns import OpenedTurn
from aichat_backend.storage import history
from aichat_backend.storage.database import Database
from fakes.backend import eventually
from fakes.clock import SteppingClock
from fakes.conversations import all_messages, answer, approval_of_calls, ask, texts
from fakes.stores import Store

T = TypeVar("T")

ANN, BOB = "1", "2"
SOON = 10.0

message_of = history.message_of


async def say(store: Store, text: str, *replies: Message) -> OpenedTurn:
    turn = await ask(store, ANN, "s", text)
    for reply in replies:
        assert await store.close_turn(turn, reply)
    return turn


def said(turn: OpenedTurn) -> list[str]:
    return [message.text for message in turn.history]


class Interleaved(Database):
    """After each of its next reads something happens that it does not know of."""

    async def read(self, work: Callable[[Connection], T]) -> T:
        result = await super().read(work)
        happening, self.next = self.next, _nothing
        await happening()
        return result

    next: Callable[[], Awaitable[object]]


async def _nothing() -> None:
    pass


@pytest.fixture
async def interleaved(url: str, database: Database) -> AsyncIterator[Interleaved]:
    """As another process has it open."""
    assert database.name
    interleaved = await Interleaved.open(url)
    interleaved.next = _nothing
    yield interleaved
    await interleaved.close()


@pytest.fixture
def here(interleaved: Interleaved, clock: SteppingClock) -> Store:
    return Store(interleaved, clock=clock)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The messages that were read for turns, in the order in which they were."""
    texts: list[str] = []

    def note(row: Row[*tuple[Any, ...]]) -> Message:
        texts.append(message_of(row).text)
        return message_of(row)

    monkeypatch.setattr(history, "message_of", note)
    return texts


async def test_of_large_messages_a_turn_has_as_many_as_an_answer_has_use_for_and_says_so(
    store: Store, monkeypatch: pytest.MonkeyPatch, read: list[str]
) -> None:
    monkeypatch.setattr(history, "_LARGEST", 2500)
    for letter in "abc":
        await say(store, letter, answer(letter.upper() * 1000))
    read.clear()

    turn = await ask(store, ANN, "s", "d")

    assert said(turn) == ["b", "B" * 1000, "c", "C" * 1000, "d"]
    assert turn.is_cut
    assert read == ["C" * 1000, "c", "B" * 1000, "b"]


async def test_what_fits_to_the_letter_is_not_cut(
    store: Store, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await say(store, "a", answer("A"))
    size = await database.read(
        lambda connection: connection.exec_driver_sql(
            "SELECT sum(length(parts) + length(context)) FROM messages"
        ).scalar_one()
    )
    monkeypatch.setattr(history, "_LARGEST", size)
    whole = await ask(store, ANN, "s", "b")
    await store.leave_turn(whole)
    monkeypatch.setattr(history, "_LARGEST", size - 1)

    assert (said(whole), whole.is_cut) == (["a", "A", "b"], False)
    await store.clear_messages(ANN, "s")
    await say(store, "a", answer("A"))
    again = await store.reopen_turn(ANN, "s")
    assert (said(again), again.is_cut) == (["a"], False)


async def test_however_large_a_turn_is_the_model_gets_its_question(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_LARGEST", 10)
    await say(store, "before", answer("B" * 1000))
    first, second = approval_of_calls("c"), approval_of_calls("d")
    await say(store, "drop them?" * 100, first)
    await store.close_turn(await store.decide_turn(ANN, "s", Decision(first.id, approved=True)), second)

    decided = await store.decide_turn(ANN, "s", Decision(second.id, approved=True))
    assert said(decided) == ["drop them?" * 100, first.text, second.text]
    assert decided.is_cut

    again = await store.reopen_turn(ANN, "s")
    assert said(again) == ["drop them?" * 100]
    assert len(again.replaces) == 2


async def test_many_messages_are_read_in_their_order(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_AT_ONCE", 2)
    for number in range(4):
        await say(store, f"{number}?", answer(f"{number}."))
    monkeypatch.setattr(history, "_LONGEST", 7)

    turn = await ask(store, ANN, "s", "4?")

    assert turn.history == (await all_messages(store, ANN, "s"))[1:]
    assert turn.is_cut


@pytest.mark.parametrize("opening", ["ask", "reopen", "decide"])
async def test_nobody_who_writes_waits_while_a_history_is_read(
    store: Store, monkeypatch: pytest.MonkeyPatch, opening: str
) -> None:
    asking = approval_of_calls("c")
    await say(store, "drop it?", asking)
    reading, go_on = threading.Event(), threading.Event()

    def slowly(row: Row[*tuple[Any, ...]]) -> Message:
        reading.set()
        assert go_on.wait(SOON)
        return message_of(row)

    monkeypatch.setattr(history, "message_of", slowly)
    turns = {
        "ask": lambda: ask(store, ANN, "s", "or keep it?"),
        "reopen": lambda: store.reopen_turn(ANN, "s"),
        "decide": lambda: store.decide_turn(ANN, "s", Decision(asking.id, approved=True)),
    }
    opened = asyncio.create_task(turns[opening]())
    async with asyncio.timeout(SOON):
        await eventually(reading.is_set)
        await ask(store, BOB, None, "mine?")
    assert not opened.done()
    go_on.set()
    await opened


async def test_a_question_that_was_asked_meanwhile_is_followed(
    here: Store, store: Store, interleaved: Interleaved
) -> None:
    await say(store, "one?", answer("one."))
    interleaved.next = lambda: say(store, "two?", answer("two."))

    turn = await ask(here, ANN, "s", "three?")

    assert said(turn) == ["one?", "one.", "two?", "two.", "three?"]
    assert turn.history == await all_messages(store, ANN, "s")


async def test_a_first_question_that_was_asked_meanwhile_is_followed(
    here: Store, store: Store, interleaved: Interleaved
) -> None:
    interleaved.next = lambda: say(store, "one?", answer("one."))

    turn = await ask(here, ANN, "s", "two?")

    assert said(turn) == ["one?", "one.", "two?"]
    assert not turn.created


async def test_an_answer_that_was_replaced_meanwhile_is_not_followed(
    here: Store, store: Store, interleaved: Interleaved
) -> None:
    await say(store, "one?", answer("one."))
    await say(store, "two?", answer("two."))

    async def answer_again() -> None:
        assert await store.close_turn(await store.reopen_turn(ANN, "s"), answer("two, better."))

    interleaved.next = answer_again
    turn = await ask(here, ANN, "s", "three?")

    assert said(turn) == ["one?", "one.", "two?", "two, better.", "three?"]
    assert turn.history == await all_messages(store, ANN, "s")


@pytest.mark.parametrize("remove", ["clear_messages", "delete_session"])
async def test_what_was_removed_meanwhile_is_not_followed(
    here: Store, store: Store, interleaved: Interleaved, remove: str
) -> None:
    await say(store, "one?", answer("one."))

    async def start_again() -> None:
        await getattr(store, remove)(ANN, "s")
        await say(store, "new?", answer("new."))

    interleaved.next = start_again
    turn = await ask(here, ANN, "s", "newer?")

    assert said(turn) == ["new?", "new.", "newer?"]
    assert await texts(store, ANN, "s") == ["new?", "new.", "newer?"]


@pytest.mark.parametrize("approved", [True, False])
async def test_what_was_decided_meanwhile_is_followed_as_it_was_decided(
    here: Store, store: Store, interleaved: Interleaved, approved: bool
) -> None:
    asking = approval_of_calls("c", "d")
    await say(store, "drop them?", asking)

    async def decide() -> None:
        decision = Decision(asking.id, approved=approved, call_ids=frozenset("d") if approved else None)
        assert await store.close_turn(await store.decide_turn(ANN, "s", decision), answer("Done."))

    interleaved.next = decide
    turn = await ask(here, ANN, "s", "and now?")

    assert turn.history == await all_messages(store, ANN, "s")
    decided = turn.history[1].approval
    assert decided is not None
    assert decided.approved_ids == (("d",) if approved else ())
