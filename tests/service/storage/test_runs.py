"""Runs as rows: one a session, kept while they are made, and an interrupted answer when their process dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy.exc import ProgrammingError

from aichat_backend.chat.approvals import ApprovalStatus, Decision
from aichat_backend.chat.audit import AuditAction
from aichat_backend.chat.conversation import MessageStatus
from aichat_backend.chat.parts import ReasoningPart, Role, TextPart, ToolCallPart, ToolResultPart, Usage
from aichat_backend.chat.transcript import NOT_APPROVED
from aichat_backend.chat.turns import OpenedTurn
from aichat_backend.chat.underway import MAY_HAVE_RUN, KeptDraft, News, Owner, SignOfLife
from aichat_backend.errors import Conflict, TakenOver
from aichat_backend.storage.audit import SqlAuditTrail
from aichat_backend.storage.database import Database
from aichat_backend.storage.errors import DatabaseUnavailable
from aichat_backend.storage.runs import SqlRunStore
from aichat_backend.storage.turns import SqlTurnStore
from aichat_backend.storage.usage import SqlUsageStore
from fakes.clock import SteppingClock
from fakes.conversations import all_messages, answer, approval_of_calls, ask, texts
from fakes.messages import start
from fakes.sql import change, column
from fakes.stores import HERE, Store

ANN, BOB = "1", "2"
THERE = Owner("there", "2")


@pytest.fixture
def runs(database: Database, clock: SteppingClock) -> SqlRunStore:
    return SqlRunStore(database, clock=clock)


@pytest.fixture
async def elsewhere(url: str, database: Database) -> AsyncIterator[Database]:
    """The same one, as another process has it open."""
    assert database
    other = await Database.open(url)
    yield other
    await other.close()


@pytest.fixture
def there(elsewhere: Database) -> SqlTurnStore:
    """Another process: its turns do not leave those of this one."""
    return SqlTurnStore(elsewhere, THERE)


async def sign_of(runs: SqlRunStore, turn: OpenedTurn) -> SignOfLife:
    (sign,) = [sign for sign in await runs.signs() if sign.run_id == turn.run_id]
    return sign


async def die(runs: SqlRunStore, turn: OpenedTurn, *kept: KeptDraft) -> None:
    """As a process that kept this of the run would, and another one that noticed."""
    for draft in kept:
        assert (await runs.keep({turn.run_id: draft}, [turn.run_id])).unfinished
    assert await runs.interrupt(await sign_of(runs, turn))


async def test_an_opened_turn_is_under_way_until_it_is_closed(store: Store, runs: SqlRunStore) -> None:
    turn = await ask(store, ANN, "s")

    assert await runs.signs() == [SignOfLife(turn.run_id, HERE, 0)]
    assert await store.close_turn(turn, answer("Because."))
    assert await runs.signs() == []


async def test_a_turn_that_is_left_is_no_longer_under_way(store: Store, runs: SqlRunStore) -> None:
    turn = await ask(store, ANN, "s")

    await store.leave_turn(turn)

    assert await runs.signs() == []
    assert await texts(store, ANN, "s") == ["Why?"]


async def test_two_processes_do_not_answer_one_session_at_a_time(store: Store, there: SqlTurnStore) -> None:
    asking = approval_of_calls("c")
    await store.close_turn(await ask(store, ANN, "s"), asking)
    await store.decide_turn(ANN, "s", Decision(asking.id, approved=True))

    for attempt in (ask(there, ANN, "s", "me too"), there.reopen_turn(ANN, "s")):
        with pytest.raises(Conflict) as refused:
            await attempt
        assert refused.value.code == "session_busy"
    assert len(await texts(store, ANN, "s")) == 2
    assert (await ask(there, BOB, "s")).created
    assert (await ask(there, ANN, "another")).created


async def test_an_approval_is_not_used_up_in_a_busy_session(store: Store, there: SqlTurnStore) -> None:
    asking = approval_of_calls("c")
    turn = await ask(store, ANN, "s")
    await store.close_turn(turn, asking)
    # Only a process that began before the approval was stored could be in its way.
    busy = await ask(store, ANN, "other")
    await store._database.write(
        lambda connection: connection.exec_driver_sql(
            "UPDATE runs SET session_pk = (SELECT pk FROM sessions WHERE id = 's')"
        )
    )

    with pytest.raises(Conflict) as refused:
        await there.decide_turn(ANN, "s", Decision(asking.id, approved=True))
    assert refused.value.code == "session_busy"

    await store.leave_turn(busy)
    assert await there.decide_turn(ANN, "s", Decision(asking.id, approved=True))


async def test_what_is_kept_of_a_dead_run_becomes_an_interrupted_answer(
    store: Store, runs: SqlRunStore, usage: SqlUsageStore, clock: SteppingClock
) -> None:
    turn = await ask(store, ANN, "s")
    parts = (ReasoningPart("Hm."), TextPart("Because \ud800"))
    await runs.keep({turn.run_id: KeptDraft((TextPart("Be"),))}, [turn.run_id])
    kept_at = clock.now + clock.step
    await die(runs, turn, KeptDraft(parts, Usage(3, 4), "m"))

    (_, reply) = await all_messages(store, ANN, "s")
    assert reply.status is MessageStatus.INTERRUPTED
    assert reply.role is Role.ASSISTANT
    assert (reply.text, reply.model, reply.usage) == ("Because \N{REPLACEMENT CHARACTER}", "m", Usage(3, 4))
    assert reply.created_at == kept_at
    assert (await store.find_sessions(ANN, "because", page=1, limit=9)).total == 1
    assert await runs.signs() == []
    assert await usage.spent_today(ANN) == 7


async def test_an_estimate_is_for_the_account_alone(store: Store, runs: SqlRunStore, usage: SqlUsageStore) -> None:
    turn = await ask(store, ANN, "s")

    await die(runs, turn, KeptDraft((TextPart("Be"),), Usage(3, 4, estimated=True), "m"))

    assert (await all_messages(store, ANN, "s"))[-1].usage is None
    assert await usage.spent_today(ANN) == 7


async def test_a_run_that_died_before_it_said_anything_is_interrupted_too(store: Store, runs: SqlRunStore) -> None:
    await die(runs, await ask(store, ANN, "s"))

    (_, reply) = await all_messages(store, ANN, "s")
    assert (reply.status, reply.parts) == (MessageStatus.INTERRUPTED, ())


async def test_calls_without_a_result_may_have_run(store: Store, runs: SqlRunStore) -> None:
    turn = await ask(store, ANN, "s")
    calls = tuple(ToolCallPart(id_, "drop_db", "{}") for id_ in ("done", "cut"))

    await die(runs, turn, KeptDraft((*calls, ToolResultPart("done", "drop_db", "dropped"))))

    (_, reply) = await all_messages(store, ANN, "s")
    results = {part.call_id: part.text for part in reply.parts if isinstance(part, ToolResultPart)}
    assert results == {"done": "dropped", "cut": MAY_HAVE_RUN}


async def test_an_approval_stays_decided_and_what_it_allowed_may_have_run(store: Store, runs: SqlRunStore) -> None:
    asking = approval_of_calls("yes", "no")
    await store.close_turn(await ask(store, ANN, "s"), asking)
    turn = await store.decide_turn(ANN, "s", Decision(asking.id, approved=True, call_ids=frozenset({"yes"})))

    await die(runs, turn)

    (_, asked, reply) = await all_messages(store, ANN, "s")
    assert asked.approval is not None
    assert asked.approval.status is ApprovalStatus.APPROVED
    results = {part.call_id: part for part in reply.parts if isinstance(part, ToolResultPart)}
    assert {id_: part.text for id_, part in results.items()} == {"yes": MAY_HAVE_RUN, "no": NOT_APPROVED}
    assert results["yes"].arguments == "{}"
    with pytest.raises(Conflict):
        await store.decide_turn(ANN, "s", Decision(asking.id, approved=True))


async def test_another_answer_that_died_takes_the_place_of_the_first(
    store: Store, runs: SqlRunStore, database: Database
) -> None:
    await store.close_turn(await ask(store, ANN, "s"), answer("first"))

    await die(runs, await store.reopen_turn(ANN, "s"), KeptDraft((TextPart("sec"),)))

    assert await texts(store, ANN, "s") == ["Why?", "sec"]
    assert [entry.action for entry in await SqlAuditTrail(database).entries()] == [AuditAction.ANSWER_REPLACED]


async def test_another_answer_that_never_began_leaves_the_first(store: Store, runs: SqlRunStore) -> None:
    await store.close_turn(await ask(store, ANN, "s"), answer("first"))

    await die(runs, await store.reopen_turn(ANN, "s"))

    assert await texts(store, ANN, "s") == ["Why?", "first", ""]
    turn = await store.reopen_turn(ANN, "s")
    assert await store.close_turn(turn, answer("third"))
    assert await texts(store, ANN, "s") == ["Why?", "third"]


async def test_of_two_processes_that_notice_one_interrupts(store: Store, elsewhere: Database) -> None:
    turn = await ask(store, ANN, "s")
    both = [SqlRunStore(store._database), SqlRunStore(elsewhere)]
    sign = await sign_of(both[0], turn)

    assert sorted(await asyncio.gather(*(runs.interrupt(sign) for runs in both))) == [False, True]
    assert len(await all_messages(store, ANN, "s")) == 2


async def test_a_run_that_shows_life_again_is_left_alone(store: Store, runs: SqlRunStore) -> None:
    turn = await ask(store, ANN, "s")
    sign = await sign_of(runs, turn)
    await runs.keep({}, [turn.run_id])

    assert not await runs.interrupt(sign)
    assert await store.close_turn(turn, answer("Because."))


async def test_a_process_that_was_only_slow_stores_nothing_twice(store: Store, runs: SqlRunStore) -> None:
    turn = await ask(store, ANN, "s")
    await die(runs, turn, KeptDraft((TextPart("Be"),)))

    news = await runs.keep({turn.run_id: KeptDraft((TextPart("Because"),))}, [turn.run_id])
    assert not news.unfinished
    with pytest.raises(TakenOver):
        await store.close_turn(turn, answer("Because."))
    assert await texts(store, ANN, "s") == ["Why?", "Be"]


async def test_nor_does_it_return_the_approval_that_another_process_has_settled(
    store: Store, runs: SqlRunStore
) -> None:
    asking = approval_of_calls("c")
    await store.close_turn(await ask(store, ANN, "s"), asking)
    turn = await store.decide_turn(ANN, "s", Decision(asking.id, approved=True))
    await die(runs, turn)

    await store.return_approval(turn)

    with pytest.raises(Conflict):
        await store.decide_turn(ANN, "s", Decision(asking.id, approved=True))


async def test_a_run_is_found_by_its_user_from_every_process(
    store: Store, runs: SqlRunStore, elsewhere: Database
) -> None:
    turn = await ask(store, ANN, "s")
    there = SqlRunStore(elsewhere)

    assert await there.session_of_run(ANN, turn.run_id) == "s"
    assert await there.run_in_session(ANN, "s") == turn.run_id
    assert await there.session_of_run(BOB, turn.run_id) is None
    assert await there.run_in_session(BOB, "s") is None
    assert await there.session_of_run(ANN, "\0") is None
    await store.leave_turn(turn)
    assert await runs.run_in_session(ANN, "s") is None


async def test_who_makes_a_run_hears_that_another_process_wants_it_stopped(
    store: Store, runs: SqlRunStore, elsewhere: Database
) -> None:
    wanted, unwanted = await ask(store, ANN, "s"), await ask(store, ANN, "other")
    ids = {wanted.run_id, unwanted.run_id}
    assert await runs.news(ids) == News(unfinished=frozenset(ids), unwanted=frozenset())

    await SqlRunStore(elsewhere).want_stopped(unwanted.run_id)

    expected = News(unfinished=frozenset(ids), unwanted=frozenset({unwanted.run_id}))
    assert await runs.news(ids) == expected
    assert await runs.keep({}, ids) == expected


async def test_an_answer_whose_storing_nobody_heard_of_is_stored_once(store: Store) -> None:
    turn, reply = await ask(store, ANN, "s"), answer("Because.")

    assert await store.close_turn(turn, reply)
    assert await store.close_turn(turn, reply)

    assert await texts(store, ANN, "s") == ["Why?", "Because."]


@pytest.mark.parametrize("remove", ["delete_session", "clear_messages", "erase"])
async def test_a_run_goes_with_what_it_answers(
    store: Store, runs: SqlRunStore, remove: str, database: Database
) -> None:
    turn = await ask(store, ANN, "s")
    sign = await sign_of(runs, turn)
    await (store.erase(ANN) if remove == "erase" else getattr(store, remove)(ANN, "s"))

    assert await runs.signs() == []
    assert not (await runs.keep({}, [turn.run_id])).unfinished
    assert not await runs.interrupt(sign)
    assert not await store.close_turn(turn, answer("too late"))
    assert await column(database, "SELECT count(*) FROM messages") == [0]


async def test_what_led_to_calls_is_kept_and_noted_at_once(store: Store, runs: SqlRunStore, database: Database) -> None:
    turn = await ask(store, ANN, "s")
    calls = (ToolCallPart("a", "read", "{}"), ToolCallPart("b", "read", "{}"))

    assert await runs.begin_calls(turn.run_id, KeptDraft(calls), [start("a"), start("b")])

    entries = await SqlAuditTrail(database).entries()
    assert [(entry.action, entry.subject) for entry in entries] == [
        (AuditAction.TOOL_STARTED, "a"),
        (AuditAction.TOOL_STARTED, "b"),
    ]
    await die(runs, turn)
    (_, reply) = await all_messages(store, ANN, "s")
    assert reply.parts[:2] == calls


async def test_a_call_that_begins_is_a_sign_of_life(store: Store, runs: SqlRunStore) -> None:
    turn = await ask(store, ANN, "s")
    sign = await sign_of(runs, turn)

    assert await runs.begin_calls(turn.run_id, KeptDraft(), [start()])

    assert not await runs.interrupt(sign)


async def test_no_call_begins_in_a_run_that_another_process_has_ended(
    store: Store, runs: SqlRunStore, database: Database
) -> None:
    turn = await ask(store, ANN, "s")
    await die(runs, turn)

    assert not await runs.begin_calls(turn.run_id, KeptDraft((TextPart("Because"),)), [start()])

    assert await SqlAuditTrail(database).entries() == ()
    assert await texts(store, ANN, "s") == ["Why?", ""]


async def test_without_the_note_what_led_to_a_call_is_not_kept_either(
    store: Store, runs: SqlRunStore, database: Database
) -> None:
    turn = await ask(store, ANN, "s")
    await change(database, "ALTER TABLE audit RENAME TO elsewhere")

    with pytest.raises((DatabaseUnavailable, ProgrammingError)):
        await runs.begin_calls(turn.run_id, KeptDraft((TextPart("Because"),)), [start()])

    assert await runs.signs() == [SignOfLife(turn.run_id, HERE, 0)]
    await change(database, "ALTER TABLE elsewhere RENAME TO audit")
    await die(runs, turn)
    assert await texts(store, ANN, "s") == ["Why?", ""]


async def test_a_clock_of_another_process_means_nothing(store: Store, database: Database) -> None:
    turn = await ask(store, ANN, "s")
    ahead = SqlRunStore(database, clock=lambda: datetime(2099, 1, 1, tzinfo=UTC))
    sign = await sign_of(ahead, turn)

    await ahead.keep({}, [turn.run_id])

    assert await ahead.signs() == [SignOfLife(turn.run_id, sign.owner, sign.beat + 1)]
