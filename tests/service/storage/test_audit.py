"""The audit trail: one row for each thing that is to be told, in the transaction of the thing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from sqlalchemy import Connection

from aichat_backend.chat.approvals import Decision
from aichat_backend.chat.audit import AuditAction
from aichat_backend.errors import Conflict, NotFound
from aichat_backend.storage.audit import AuditEntry, SqlAuditTrail, note, tool_started
from aichat_backend.storage.database import Database
from aichat_backend.storage.pins import SqlToolPins
from fakes.clock import SteppingClock
from fakes.conversations import answer, approval_of_calls, ask
from fakes.messages import start
from fakes.sql import change, column, rows
from fakes.stores import Store

NoteStart = Callable[..., Awaitable[None]]


@pytest.fixture
def audit(database: Database, clock: SteppingClock) -> SqlAuditTrail:
    return SqlAuditTrail(database, clock=clock)


@pytest.fixture
def note_start(database: Database, clock: SteppingClock) -> NoteStart:
    async def noted(call_id: str = "c", user_id: str = "1") -> None:
        entry = tool_started(start(call_id, user_id), clock())
        await database.write(lambda connection: note(connection, entry))

    return noted


async def actions(audit: SqlAuditTrail) -> list[AuditAction]:
    return [entry.action for entry in await audit.entries()]


async def ask_for_approval(store: Store) -> str:
    """A session in which two calls wait; the id of the approval."""
    turn = await ask(store, "1", "s")
    asking = approval_of_calls("a", "b")
    assert await store.close_turn(turn, asking)
    return asking.id


async def test_an_approval_is_noted_with_the_calls_it_is_about(store: Store, audit: SqlAuditTrail) -> None:
    approval_id = await ask_for_approval(store)
    turn = await store.decide_turn("1", "s", Decision(approval_id, approved=True, call_ids=frozenset({"b"})))

    (entry,) = await audit.entries()
    assert (entry.action, entry.user_id, entry.session_id, entry.subject) == (
        AuditAction.APPROVED,
        "1",
        "s",
        approval_id,
    )
    assert entry.details["approved_ids"] == ["b"]
    assert turn.message.approval is not None
    assert [call["call_id"] for call in entry.details["calls"]] == ["a", "b"]
    assert [call["arguments_digest"] for call in entry.details["calls"]] == [
        call.arguments_digest for call in turn.message.approval.calls
    ]


async def test_a_denial_is_noted_and_a_decision_that_comes_too_late_is_not(store: Store, audit: SqlAuditTrail) -> None:
    approval_id = await ask_for_approval(store)
    turn = await store.decide_turn("1", "s", Decision(approval_id, approved=False))
    await store.leave_turn(turn)
    with pytest.raises(Conflict):
        await store.decide_turn("1", "s", Decision(approval_id, approved=True))

    assert await actions(audit) == [AuditAction.DENIED]


async def test_an_approval_that_was_given_back_is_noted(store: Store, audit: SqlAuditTrail) -> None:
    approval_id = await ask_for_approval(store)
    await store.return_approval(await store.decide_turn("1", "s", Decision(approval_id, approved=True)))

    assert await actions(audit) == [AuditAction.APPROVED, AuditAction.APPROVAL_RETURNED]


async def test_what_waits_while_the_user_goes_on_is_noted_as_superseded(store: Store, audit: SqlAuditTrail) -> None:
    approval_id = await ask_for_approval(store)
    await ask(store, "1", "s", "Something else")

    (entry,) = await audit.entries()
    assert (entry.action, entry.subject) == (AuditAction.SUPERSEDED, approval_id)


async def test_deleting_and_clearing_are_noted_once_and_only_when_they_happen(
    store: Store, audit: SqlAuditTrail
) -> None:
    await ask(store, "1", "s")
    await store.clear_messages("1", "s")
    await store.delete_session("1", "s")
    for gone in (store.delete_session, store.clear_messages):
        with pytest.raises(NotFound):
            await gone("1", "s")

    assert await actions(audit) == [AuditAction.MESSAGES_CLEARED, AuditAction.SESSION_DELETED]


async def test_an_answer_that_is_replaced_is_noted_by_its_messages(store: Store, audit: SqlAuditTrail) -> None:
    asking, said = approval_of_calls("c"), answer("It is gone.")
    await store.close_turn(await ask(store, "1", "s"), asking)
    await store.close_turn(await store.decide_turn("1", "s", Decision(asking.id, approved=True)), said)
    again = await store.reopen_turn("1", "s")
    assert await actions(audit) == [AuditAction.APPROVED]

    assert await store.close_turn(again, better := answer("It was gone."))

    (_, replaced) = await audit.entries()
    assert (replaced.action, replaced.user_id, replaced.session_id, replaced.subject, replaced.details) == (
        AuditAction.ANSWER_REPLACED,
        "1",
        "s",
        better.id,
        {"replaced": [asking.id, said.id]},
    )


async def test_another_answer_that_does_not_come_leaves_no_entry(store: Store, audit: SqlAuditTrail) -> None:
    await store.close_turn(await ask(store, "1", "s"), answer("First."))
    await store.leave_turn(await store.reopen_turn("1", "s"))

    assert await actions(audit) == []


async def test_tools_that_are_pinned_are_noted(database: Database, audit: SqlAuditTrail, clock: SteppingClock) -> None:
    await SqlToolPins(database, clock=clock).pin("files", "entry", {"read": "r", "write": "w"})

    (entry,) = await audit.entries()
    assert (entry.action, entry.user_id, entry.tool) == (AuditAction.TOOLS_PINNED, None, "files")
    assert entry.details == {"entry_digest": "entry", "tools": {"read": "r", "write": "w"}}


async def test_tools_that_changed_are_noted(database: Database, audit: SqlAuditTrail, clock: SteppingClock) -> None:
    await SqlToolPins(database, clock=clock).note_changes("files", "entry", {"read\0\ud800": "other"})

    (entry,) = await audit.entries()
    assert (entry.action, entry.tool) == (AuditAction.TOOLS_CHANGED, "files")
    assert list(entry.details["tools"].values()) == ["other"]


async def test_a_tool_and_an_export_are_noted(audit: SqlAuditTrail, store: Store, note_start: NoteStart) -> None:
    await ask(store, "1", "s")
    await note_start()
    await audit.exports("1", "s", "json")

    tool, export = await audit.entries()
    assert (tool.action, tool.tool, tool.subject) == (AuditAction.TOOL_STARTED, "files/read", "c")
    assert tool.details == {"policy": "auto", "tool_digest": "t", "arguments_digest": "a"}
    assert (export.action, export.session_id, export.details) == (
        AuditAction.SESSION_EXPORTED,
        "s",
        {"format": "json"},
    )


async def test_whichever_comes_first_no_export_is_noted_of_a_user_who_is_erased(
    audit: SqlAuditTrail, store: Store, database: Database
) -> None:
    for _ in range(10):
        await ask(store, "1", "s")
        exporting = (audit.exports("1", "s", "json") for _ in range(3))
        (taken, *_exported) = await asyncio.gather(store.take_all("1"), *exporting, return_exceptions=True)
        assert taken is None
        with pytest.raises(NotFound):
            await audit.exports("1", "s", "json")

        assert await column(database, "SELECT action FROM audit WHERE user_id = '1'") == []


async def test_what_fails_leaves_no_entry(database: Database, audit: SqlAuditTrail, clock: SteppingClock) -> None:
    def fail(connection: Connection) -> None:
        note(connection, AuditEntry(at=clock(), action=AuditAction.SESSION_DELETED))
        raise LookupError

    with pytest.raises(LookupError):
        await database.write(fail)

    assert await actions(audit) == []


async def test_of_an_erased_user_stays_what_was_done_and_not_who_did_it(
    store: Store, audit: SqlAuditTrail, database: Database, note_start: NoteStart
) -> None:
    approval_id = await ask_for_approval(store)
    await store.leave_turn(await store.decide_turn("1", "s", Decision(approval_id, approved=True)))
    await note_start()
    await note_start("other", user_id="2")
    await store.erase("1")

    entries = await audit.entries()
    mine = [entry for entry in entries if entry.user_id != "2"]
    assert [entry.action for entry in mine] == [
        AuditAction.APPROVED,
        AuditAction.TOOL_STARTED,
        AuditAction.USER_ERASED,
    ]
    assert len({entry.user_id for entry in mine}) == 1
    assert all(entry.user_id is not None and entry.user_id.startswith("erased-") for entry in mine)
    assert [(entry.session_id, entry.subject, entry.tool, entry.details) for entry in mine] == [
        (None, None, None, {}),
        (None, None, "files/read", {}),
        (None, None, None, {}),
    ]
    assert [entry.subject for entry in entries if entry.user_id == "2"] == ["other"]
    assert approval_id not in repr(await rows(database, "SELECT * FROM audit"))


async def test_entries_are_read_by_time_and_by_user_over_many_pages(
    audit: SqlAuditTrail, database: Database, clock: SteppingClock, note_start: NoteStart
) -> None:
    await change(
        database,
        """INSERT INTO audit (at, action, user_id, details)
           WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 1201)
           SELECT i, 'tool_started', CAST(i % 2 AS TEXT), '{}' FROM n""",
    )
    await note_start()

    everything = await audit.entries()
    assert len(everything) == 1202
    assert [entry.at for entry in everything] == sorted(entry.at for entry in everything)
    assert len(await audit.entries(user_id="1")) == 602
    assert len(await audit.entries(since=everything[-1].at)) == 1
    assert await audit.entries(since=clock.now + timedelta(days=1), user_id="1") == ()


async def test_odd_names_of_tools_and_calls_can_be_noted(audit: SqlAuditTrail, note_start: NoteStart) -> None:
    await note_start("a\0b\ud800")

    (entry,) = await audit.entries()
    assert entry.subject == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"
