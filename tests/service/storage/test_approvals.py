"""An approval is claimed once, in time, by its user, and for the calls it is about."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO

import pytest
from msgspec.structs import replace

from aichat_backend.chat.approvals import Approval, ApprovalStatus, Decision
from aichat_backend.chat.conversation import Message
from aichat_backend.chat.turns import OpenedTurn
from aichat_backend.errors import ChatError, Conflict, InvalidRequest, NotFound
from aichat_backend.storage.database import Database
from aichat_backend.storage.turns import SqlTurnStore
from fakes.clock import SteppingClock
from fakes.conversations import all_messages, answer, approval_of_calls, ask
from fakes.processes import STARTS_PROCESSES
from fakes.stores import HERE, Store

ANN, BOB = "1", "2"
CHILD = Path(__file__).with_name("child.py")


async def pending(store: Store, *call_ids: str, **changes: object) -> Message:
    """A stored message that asks for approval."""
    message = approval_of_calls(*(call_ids or ("a", "b", "c")))
    assert message.approval is not None
    message = replace(message, approval=replace(message.approval, **changes))
    assert await store.close_turn(await ask(store, ANN, "s", "drop it?"), message)
    return message


async def stored(store: Store, message: Message) -> Approval:
    """The approval as it stands in the history, which the list must show alike."""
    (found,) = [known for known in await all_messages(store, ANN, "s") if known.id == message.id]
    listed = (await store.list_messages(ANN, "s", page=None, limit=100)).items
    assert found in listed
    assert found.approval is not None
    return found.approval


async def refused(store: Store, decision: Decision, user_id: str = ANN, session_id: str | None = "s") -> ChatError:
    with pytest.raises(ChatError) as error:
        await store.decide_turn(user_id, session_id, decision)
    return error.value


async def test_a_message_shows_its_approval_as_it_was_asked(store: Store) -> None:
    message = await pending(store)

    assert (await all_messages(store, ANN, "s"))[-1] == message
    assert (await store.list_messages(ANN, "s", page=1, limit=9)).items[-1] == message


@pytest.mark.parametrize(
    ("approved", "call_ids", "status", "approved_ids"),
    [
        (True, None, ApprovalStatus.APPROVED, ("a", "b", "c")),
        (True, frozenset("ca"), ApprovalStatus.APPROVED, ("a", "c")),
        (True, frozenset(), ApprovalStatus.DENIED, ()),
        (False, None, ApprovalStatus.DENIED, ()),
        (False, frozenset({"a", "who?"}), ApprovalStatus.DENIED, ()),
    ],
)
async def test_a_decision_is_kept_and_is_the_turns_to_carry_out(
    store: Store,
    approved: bool,
    call_ids: frozenset[str] | None,
    status: ApprovalStatus,
    approved_ids: tuple[str, ...],
) -> None:
    message = await pending(store)
    before = await store.get_session(ANN, "s")
    decision = Decision(message.id, approved, call_ids)

    turn = await store.decide_turn(ANN, "s", decision)

    assert turn.decision == decision
    assert turn.history == await all_messages(store, ANN, "s")
    assert turn.message.id == message.id
    assert turn.session == await store.get_session(ANN, "s")
    assert turn.session.updated_at > before.updated_at
    approval = await stored(store, message)
    assert (approval.status, approval.approved_ids) == (status, approved_ids)
    assert turn.message.approval == approval


async def test_an_approval_that_is_returned_waits_again_and_can_be_claimed_anew(store: Store) -> None:
    message = await pending(store)
    turn = await store.decide_turn(ANN, "s", Decision(message.id, approved=True, call_ids=frozenset("a")))

    await store.return_approval(turn)

    assert await stored(store, message) == message.approval
    again = await store.decide_turn(ANN, "s", Decision(message.id, approved=True))
    assert again.message.approval is not None
    assert again.message.approval.approved_ids == ("a", "b", "c")


async def test_returning_an_approval_changes_no_other(store: Store) -> None:
    message = await pending(store)
    turn = await store.decide_turn(ANN, "s", Decision(message.id, approved=True))
    stranger = replace(turn, session=replace(turn.session, user_id=BOB))

    await store.return_approval(stranger)

    assert (await stored(store, message)).status is ApprovalStatus.APPROVED


async def test_an_approval_that_is_gone_is_not_returned(store: Store) -> None:
    message = await pending(store)
    turn = await store.decide_turn(ANN, "s", Decision(message.id, approved=True))
    await store.clear_messages(ANN, "s")

    await store.return_approval(turn)

    assert await all_messages(store, ANN, "s") == ()


async def test_the_answer_follows_the_approval(store: Store) -> None:
    message = await pending(store)
    turn = await store.decide_turn(ANN, None, Decision(message.id, approved=True))
    done = answer("Done.")

    assert await store.close_turn(turn, done)

    assert await all_messages(store, ANN, "s") == (*turn.history, done)


async def test_without_a_session_an_approval_is_found_wherever_it_is(store: Store) -> None:
    message = await pending(store)
    await ask(store, ANN, "other")

    assert isinstance(await refused(store, Decision(message.id, approved=True), session_id="other"), NotFound)
    assert isinstance(await refused(store, Decision(message.id, approved=True), session_id="never-was"), NotFound)
    assert (await store.decide_turn(ANN, None, Decision(message.id, approved=True))).session.id == "s"


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("second", [True, False])
async def test_a_second_decision_is_refused(store: Store, first: bool, second: bool) -> None:
    message = await pending(store)
    await store.decide_turn(ANN, "s", Decision(message.id, first))
    before = await all_messages(store, ANN, "s")
    session = await store.get_session(ANN, "s")

    error = await refused(store, Decision(message.id, second, frozenset({"who?"})))

    assert (type(error), error.code) == (Conflict, "approval_decided")
    assert await all_messages(store, ANN, "s") == before
    assert await store.get_session(ANN, "s") == session


async def test_what_is_asked_next_supersedes_it(store: Store) -> None:
    message = await pending(store)

    turn = await ask(store, ANN, "s", "something else?")

    approval = await stored(store, message)
    assert (approval.status, approval.approved_ids) == (ApprovalStatus.SUPERSEDED, ())
    assert turn.history == await all_messages(store, ANN, "s")
    assert (await refused(store, Decision(message.id, approved=True))).code == "approval_decided"


async def test_what_is_asked_elsewhere_does_not(store: Store) -> None:
    message = await pending(store)

    await ask(store, ANN, "other")
    await ask(store, BOB, "s")

    assert (await stored(store, message)).status is ApprovalStatus.PENDING


async def test_a_decision_stays_when_something_else_is_asked(store: Store) -> None:
    message = await pending(store)
    await store.decide_turn(ANN, "s", Decision(message.id, approved=True))

    await ask(store, ANN, "s", "and now?")

    assert (await stored(store, message)).status is ApprovalStatus.APPROVED


async def test_a_call_it_is_not_about_leaves_it_pending(store: Store) -> None:
    message = await pending(store)
    session = await store.get_session(ANN, "s")

    error = await refused(store, Decision(message.id, approved=True, call_ids=frozenset({"a", "who?"})))

    assert isinstance(error, InvalidRequest)
    assert (await stored(store, message)).status is ApprovalStatus.PENDING
    assert await store.get_session(ANN, "s") == session


async def test_in_time_it_can_be_approved(store: Store, clock: SteppingClock) -> None:
    message = await pending(store, expires_at=clock.now + timedelta(hours=1))
    clock.now += timedelta(minutes=59)

    assert await store.decide_turn(ANN, "s", Decision(message.id, approved=True))


@pytest.mark.parametrize("late", [timedelta(0), timedelta(days=400)])
async def test_too_late_it_can_only_be_denied(store: Store, clock: SteppingClock, late: timedelta) -> None:
    expires_at = clock.now + timedelta(hours=1)
    message = await pending(store, expires_at=expires_at)
    clock.now, clock.step = expires_at + late, timedelta(0)

    error = await refused(store, Decision(message.id, approved=True))
    assert (type(error), error.code) == (Conflict, "approval_expired")
    assert (await stored(store, message)).status is ApprovalStatus.PENDING

    await store.decide_turn(ANN, "s", Decision(message.id, approved=False))
    assert (await stored(store, message)).status is ApprovalStatus.DENIED


@pytest.mark.parametrize("approval_id", ["never-was", "", "a\0b", "half a \ud83d tortoise"])
async def test_a_foreign_approval_is_as_missing_as_one_that_never_was(store: Store, approval_id: str) -> None:
    message = await pending(store)
    question, _ = await all_messages(store, ANN, "s")

    errors = [
        await refused(store, Decision(message.id, approved=True), BOB),
        await refused(store, Decision(message.id, approved=True), BOB, None),
        await refused(store, Decision(approval_id, approved=True), ANN, None),
        await refused(store, Decision(question.id, approved=True), ANN, None),
    ]

    assert {(type(error), error.message) for error in errors} == {(NotFound, "Approval not found")}
    assert (await stored(store, message)).status is ApprovalStatus.PENDING


async def test_a_deleted_approval_is_gone(store: Store) -> None:
    message = await pending(store)
    await store.clear_messages(ANN, "s")

    assert isinstance(await refused(store, Decision(message.id, approved=True)), NotFound)


async def test_of_fifty_decisions_at_once_one_counts(store: Store, url: str) -> None:
    message = await pending(store)
    other = await Database.open(url)
    stores = [store, SqlTurnStore(other, HERE)]

    outcomes = await asyncio.gather(
        *(stores[number % 2].decide_turn(ANN, None, Decision(message.id, number % 3 == 0)) for number in range(50)),
        return_exceptions=True,
    )
    await other.close()

    (winner,) = [outcome for outcome in outcomes if isinstance(outcome, OpenedTurn)]
    assert Counter(map(type, outcomes)) == {OpenedTurn: 1, Conflict: 49}
    assert winner.message.approval == await stored(store, message)


@STARTS_PROCESSES
async def test_of_two_processes_that_decide_one_wins(store: Store, url: str) -> None:
    with deciding(url) as first, deciding(url) as second:
        for _ in range(30):
            message = await pending(store)
            for child in (first, second):
                child.stdin.write(f"{message.id}\n")
            said = sorted(child.stdout.readline() for child in (first, second))
            assert said == ["approval_decided\n", "claimed\n"]
    assert [first.process.returncode, second.process.returncode] == [0, 0]


@dataclass(frozen=True)
class Child:
    """A process that approves what it is told to."""

    process: subprocess.Popen[str]
    stdin: IO[str]
    stdout: IO[str]


@contextmanager
def deciding(url: str) -> Iterator[Child]:
    process = subprocess.Popen(
        [sys.executable, CHILD, "decide", url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    assert process.stdin
    assert process.stdout
    try:
        assert process.stdout.readline() == "ready\n"
        yield Child(process, process.stdin, process.stdout)
    finally:
        process.communicate(timeout=30)


async def test_an_approval_outlives_the_process(store: Store, database: Database, url: str) -> None:
    message = await pending(store)
    await database.close()

    reopened = await Database.open(url)
    turn = await SqlTurnStore(reopened, HERE).decide_turn(ANN, "s", Decision(message.id, approved=True))
    await reopened.close()

    assert turn.message.parts == message.parts
    assert turn.message.approval is not None
    assert message.approval is not None
    assert turn.message.approval.calls == message.approval.calls
