"""Questions and answers on their way into the store; the same question answered again."""

from __future__ import annotations

import pytest

from aichat_backend.chat.approvals import ApprovalStatus, Decision
from aichat_backend.chat.conversation import Message
from aichat_backend.chat.parts import Role, TextPart, Usage
from aichat_backend.chat.turns import OpenedTurn
from aichat_backend.errors import Conflict, InvalidRequest, NotFound
from aichat_backend.storage import history
from aichat_backend.storage.database import Database
from fakes.conversations import all_messages, answer, approval_of_calls, ask, texts
from fakes.sql import column
from fakes.stores import Store

ANN, BOB = "1", "2"


async def answered(store: Store, text: str, *replies: Message) -> OpenedTurn:
    """A question with its answers."""
    turn = await ask(store, ANN, "s", text)
    for reply in replies:
        assert await store.close_turn(turn, reply)
    return turn


async def test_a_question_comes_with_all_that_was_said_before_it(store: Store) -> None:
    await answered(store, "one?", answer("one."))
    turn = await ask(store, ANN, "s", "two?")

    assert turn.history == await all_messages(store, ANN, "s")
    assert [message.text for message in turn.history] == ["one?", "one.", "two?"]
    assert (turn.message, turn.decision, turn.replaces) == (turn.history[-1], None, ())


async def test_of_a_very_long_session_a_turn_has_the_newest_messages_and_says_so(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_LONGEST", 3)
    await answered(store, "one?", answer("one."))
    assert not (await ask(store, ANN, "s", "two?")).is_cut
    asking = approval_of_calls("c")
    asked = await answered(store, "three?", asking)
    decided = await store.decide_turn(ANN, "s", Decision(asking.id, approved=True))
    again = await store.reopen_turn(ANN, "s")

    assert [message.text for message in asked.history] == ["one?", "one.", "two?", "three?"]
    assert [message.id for message in decided.history] == [*(one.id for one in asked.history[2:]), asking.id]
    assert [message.text for message in again.history] == ["two?", "three?"]
    assert again.replaces == (asking.id,)
    assert not asked.is_cut
    assert decided.is_cut
    assert again.is_cut
    assert (await ask(store, ANN, "s", "four?")).is_cut


async def test_a_turn_tells_whether_its_session_is_new(store: Store) -> None:
    made = await store.create_session(ANN, "made")

    assert (await ask(store, ANN, None)).created
    assert (await ask(store, ANN, "invented")).created
    assert not (await ask(store, ANN, "invented")).created
    assert not (await ask(store, ANN, made.id)).created
    assert (await ask(store, BOB, "invented")).created


@pytest.mark.parametrize("nothing", [None, ""])
async def test_without_an_id_every_question_has_a_session_of_its_own(store: Store, nothing: str | None) -> None:
    turns = [await ask(store, ANN, nothing) for _ in range(2)]

    assert len({turn.session.id for turn in turns}) == 2
    assert [len(turn.history) for turn in turns] == [1, 1]


async def test_an_id_is_taken_up_to_64_characters(store: Store) -> None:
    await ask(store, ANN, "x" * 64)

    with pytest.raises(InvalidRequest):
        await ask(store, ANN, "x" * 65)
    assert (await store.list_sessions(ANN, page=1, limit=9)).total == 1


async def test_an_answer_tells_its_model(store: Store) -> None:
    given = Message(
        id="m",
        role=Role.ASSISTANT,
        parts=(TextPart("Hm."),),
        status=answer().status,
        created_at=answer().created_at,
        usage=Usage(10**30, 1),
        model="claude-opus-4-5",
    )
    await answered(store, "why?", given)

    reply = (await all_messages(store, ANN, "s"))[-1]
    assert reply.model == "claude-opus-4-5"
    assert reply.usage == Usage(2**31 - 1, 1)


async def test_the_last_question_can_be_answered_again(store: Store) -> None:
    await answered(store, "one?", answer("one."))
    first = answer("two.")
    question = await answered(store, "two?", first)

    turn = await store.reopen_turn(ANN, "s")
    assert [message.text for message in turn.history] == ["one?", "one.", "two?"]
    assert turn.message == question.message
    assert turn.replaces == (first.id,)
    assert turn.session == await store.get_session(ANN, "s")
    assert await texts(store, ANN, "s") == ["one?", "one.", "two?", "two."]

    assert await store.close_turn(turn, answer("two, better."))
    assert await texts(store, ANN, "s") == ["one?", "one.", "two?", "two, better."]


async def test_all_that_followed_the_question_is_replaced(store: Store) -> None:
    asking = approval_of_calls("c")
    await answered(store, "drop it?", asking)
    decided = await store.decide_turn(ANN, "s", Decision(asking.id, approved=True))
    dropped = answer("dropped.")
    await store.close_turn(decided, dropped)

    turn = await store.reopen_turn(ANN, "s")
    assert turn.replaces == (asking.id, dropped.id)
    await store.close_turn(turn, answer("no."))

    assert await texts(store, ANN, "s") == ["drop it?", "no."]


async def test_a_question_that_was_never_answered_can_be_answered(store: Store) -> None:
    await ask(store, ANN, "s", "why?")

    turn = await store.reopen_turn(ANN, "s")

    assert turn.replaces == ()
    assert [message.text for message in turn.history] == ["why?"]


async def test_asking_for_another_answer_supersedes_a_pending_approval(store: Store) -> None:
    asking = approval_of_calls("c")
    await answered(store, "drop it?", asking)

    await store.reopen_turn(ANN, "s")

    (_, pending) = await all_messages(store, ANN, "s")
    assert pending.approval is not None
    assert pending.approval.status is ApprovalStatus.SUPERSEDED
    with pytest.raises(Conflict):
        await store.decide_turn(ANN, "s", Decision(asking.id, approved=True))


async def test_without_a_question_there_is_nothing_to_answer_again(store: Store) -> None:
    made = await store.create_session(ANN, "empty")

    with pytest.raises(Conflict) as refused:
        await store.reopen_turn(ANN, made.id)

    assert refused.value.code == "nothing_to_regenerate"


async def test_another_answer_does_not_come_back_to_a_cleared_session(store: Store) -> None:
    await answered(store, "one?", answer("one."))
    turn = await store.reopen_turn(ANN, "s")
    await store.clear_messages(ANN, "s")
    await answered(store, "new?", answer("new."))

    assert not await store.close_turn(turn, answer("too late"))

    assert await texts(store, ANN, "s") == ["new?", "new."]


@pytest.mark.parametrize("session_id", ["s", "never-was", "a\0b"])
async def test_nobody_answers_for_somebody_else_again(store: Store, session_id: str) -> None:
    await answered(store, "one?", answer("one."))

    with pytest.raises(NotFound) as missing:
        await store.reopen_turn(BOB, session_id)

    assert missing.value.message == "Session not found"


async def test_an_answer_replaces_nothing_of_another_user(store: Store) -> None:
    await answered(store, "one?", answer("one."))
    (_, hers) = await all_messages(store, ANN, "s")
    his = await ask(store, BOB, "s", "mine?")

    misled = OpenedTurn(run_id=his.run_id, session=his.session, history=his.history, replaces=(hers.id,))
    assert await store.close_turn(misled, answer("mine."))

    assert await texts(store, ANN, "s") == ["one?", "one."]
    assert await texts(store, BOB, "s") == ["mine?", "mine."]


async def test_a_title_is_set_only_in_place_of_the_one_that_was_meant(store: Store) -> None:
    session = (await ask(store, ANN, "s")).session

    assert await store.set_title(ANN, "s", "Disks \0", instead_of=session.title)
    named = await store.get_session(ANN, "s")
    assert (named.title, named.updated_at) == ("Disks \N{REPLACEMENT CHARACTER}", session.updated_at)
    assert not await store.set_title(ANN, "s", "Something else", instead_of=session.title)
    assert await store.set_title(ANN, "s", "Disks", instead_of="Disks \0")
    assert (await store.get_session(ANN, "s")).title == "Disks"
    with pytest.raises(NotFound):
        await store.set_title(BOB, "s", "His", instead_of="Disks")


async def test_what_an_answer_carried_goes_with_its_session(store: Store, database: Database) -> None:
    await answered(store, "drop it?", approval_of_calls("c"))

    await store.delete_session(ANN, "s")

    assert await column(database, "SELECT count(*) FROM approvals") == [0]
