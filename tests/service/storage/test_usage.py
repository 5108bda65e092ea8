"""Tokens are counted by user, day and model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

import pytest

from aichat_backend.chat.parts import TextPart, Usage
from aichat_backend.chat.turns import OpenedTurn
from aichat_backend.chat.underway import KeptDraft
from aichat_backend.chat.usage import DailyUsage, Spent
from aichat_backend.errors import TakenOver
from aichat_backend.storage.database import Database
from aichat_backend.storage.runs import SqlRunStore
from aichat_backend.storage.usage import SqlUsageStore
from fakes.clock import SteppingClock
from fakes.conversations import answer, ask
from fakes.stores import Store

ANN, BOB = "1", "2"
MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)


@pytest.fixture(autouse=True)
async def _late_on_monday(clock: SteppingClock, store: Store) -> None:
    clock.now, clock.step = datetime(2026, 3, 2, 23, 59, 59, tzinfo=UTC), timedelta(0)
    for user in (ANN, BOB):
        await ask(store, user, "s")


async def test_answers_of_a_day_and_model_are_added_up(usage: SqlUsageStore, clock: SteppingClock) -> None:
    await usage.add(ANN, "opus", Usage(10, 5))
    await usage.add(ANN, "opus", Usage(1, 2))
    await usage.add(ANN, "haiku", Usage(3, 4))
    await usage.add(BOB, "opus", Usage(100, 100))
    clock.now += timedelta(seconds=1)
    await usage.add(ANN, "opus", Usage(7, 0))

    assert await usage.by_day(ANN) == (
        DailyUsage(TUESDAY, "opus", 7, 0, 1),
        DailyUsage(MONDAY, "opus", 11, 7, 2),
        DailyUsage(MONDAY, "haiku", 3, 4, 1),
    )
    assert await usage.by_day("3") == ()


async def test_tokens_that_were_spent_on_no_answer_count_as_tokens_alone(usage: SqlUsageStore) -> None:
    await usage.add(ANN, "opus", Usage(10, 5))
    await usage.add(ANN, "opus", Usage(1, 2), answers=0)

    assert await usage.by_day(ANN) == (DailyUsage(MONDAY, "opus", 11, 7, 1),)


async def test_what_was_spent_today_counts_both_ways_and_every_model(
    usage: SqlUsageStore, clock: SteppingClock
) -> None:
    assert await usage.spent_today(ANN) == 0
    await usage.add(ANN, "opus", Usage(10, 5))
    await usage.add(ANN, "haiku", Usage(10**30, 1))
    await usage.add(BOB, "haiku", Usage(1, 1))
    assert await usage.spent_today(ANN) == 16 + 2**31 - 1

    clock.now += timedelta(seconds=1)
    assert await usage.spent_today(ANN) == 0


async def test_nothing_counted_at_once_is_lost(usage: SqlUsageStore) -> None:
    await asyncio.gather(*(usage.add(ANN, "opus", Usage(1, 2)) for _ in range(50)))

    assert await usage.by_day(ANN) == (DailyUsage(MONDAY, "opus", 50, 100, 50),)


async def test_it_outlives_conversations_and_goes_with_the_user(store: Store, usage: SqlUsageStore) -> None:
    await ask(store, ANN, "s")
    await usage.add(ANN, "opus", Usage(1, 2))
    await usage.add(BOB, "opus", Usage(3, 4))
    await store.delete_session(ANN, "s")
    assert await usage.spent_today(ANN) == 3

    await store.erase(ANN)

    assert await usage.by_day(ANN) == ()
    assert await usage.spent_today(BOB) == 7


async def test_what_an_answer_still_costs_whose_user_is_erased_is_not_counted(
    usage: SqlUsageStore, store: Store
) -> None:
    """As of an answer that another process makes, which hears of it a little later."""
    await store.delete_session(ANN, "s")
    await usage.add(ANN, "opus", Usage(1, 2))
    assert await usage.spent_today(ANN) == 3

    await store.erase(ANN)
    await usage.add(ANN, "opus", Usage(1, 2))

    assert await usage.by_day(ANN) == ()


async def test_whichever_comes_first_nothing_is_counted_of_a_user_who_is_erased(
    usage: SqlUsageStore, store: Store
) -> None:
    for _ in range(10):
        await ask(store, ANN, "s")
        await asyncio.gather(store.erase(ANN), *(usage.add(ANN, "opus", Usage(1, 2)) for _ in range(3)))

        assert await usage.by_day(ANN) == ()


SPENT = Spent("opus", Usage(10, 5))
COUNTED = (DailyUsage(MONDAY, "opus", 10, 5, 1),)


async def interrupt(runs: SqlRunStore, turn: OpenedTurn, kept: KeptDraft) -> None:
    """As another process that takes ours for dead."""
    await runs.keep({turn.run_id: kept}, [turn.run_id])
    (sign,) = [sign for sign in await runs.signs() if sign.run_id == turn.run_id]
    assert await runs.interrupt(sign)


async def test_an_answer_is_counted_where_it_is_stored_and_once(store: Store, usage: SqlUsageStore) -> None:
    turn, reply = await ask(store, ANN, "s"), answer("Because.")

    assert await store.close_turn(turn, reply, SPENT)
    assert await store.close_turn(turn, reply, SPENT)

    assert await usage.by_day(ANN) == COUNTED


async def test_what_came_to_no_answer_is_counted_once(store: Store, usage: SqlUsageStore) -> None:
    turn = await ask(store, ANN, "s")

    await store.leave_turn(turn, SPENT)
    await store.leave_turn(turn, SPENT)

    assert await usage.by_day(ANN) == COUNTED


async def close(store: Store, turn: OpenedTurn) -> None:
    """In vain: the question is gone, or the run has been ended."""
    with suppress(TakenOver):
        assert not await store.close_turn(turn, answer("Too late."), SPENT)


async def leave(store: Store, turn: OpenedTurn) -> None:
    await store.leave_turn(turn, SPENT)


End = Callable[[Store, OpenedTurn], Awaitable[None]]
IN_VAIN = pytest.mark.parametrize("end", [close, leave])


@IN_VAIN
@pytest.mark.parametrize("remove", ["delete_session", "clear_messages"])
async def test_what_an_answer_has_cost_is_counted_though_its_question_is_gone(
    store: Store, usage: SqlUsageStore, remove: str, end: End
) -> None:
    turn = await ask(store, ANN, "s")
    await getattr(store, remove)(ANN, "s")

    await end(store, turn)

    assert await usage.by_day(ANN) == COUNTED


@IN_VAIN
async def test_what_was_counted_of_a_run_that_was_taken_for_dead_is_not_counted_again(
    store: Store, usage: SqlUsageStore, database: Database, clock: SteppingClock, end: End
) -> None:
    turn = await ask(store, ANN, "s")
    await interrupt(SqlRunStore(database, clock=clock), turn, KeptDraft((TextPart("Half"),), Usage(3, 4), "opus"))

    await end(store, turn)

    assert await usage.by_day(ANN) == (DailyUsage(MONDAY, "opus", 3, 4, 1),)
