"""Text that databases find hard to keep."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from sqlalchemy import LargeBinary

from aichat_backend.chat.files import NewFile
from aichat_backend.chat.parts import AttachmentPart, ReasoningPart, TextPart, Usage
from aichat_backend.chat.tools import ToolPolicy
from aichat_backend.chat.underway import KeptDraft
from aichat_backend.errors import InvalidRequest, NotFound
from aichat_backend.storage.database import Database
from aichat_backend.storage.files import SqlFileStore
from aichat_backend.storage.pins import SqlToolPins
from aichat_backend.storage.policies import SqlPolicyTrail
from aichat_backend.storage.runs import SqlRunStore
from aichat_backend.storage.tables import metadata
from aichat_backend.storage.usage import SqlUsageStore
from fakes.conversations import all_messages, answer, approval_of_calls, ask, texts
from fakes.policies import policy
from fakes.sql import rows
from fakes.stores import Store

LONE = "half a \ud83d tortoise"


@pytest.mark.parametrize(
    "text", ["a\0b", "\0", "🐢 'quoted' \"twice\" \\ %s ? :name", "\u2028\ufeff\uffff", "x" * 1_000_000]
)
async def test_a_message_keeps_its_text_to_the_letter(store: Store, text: str) -> None:
    turn = await store.open_turn("1", "s", title="t", parts=(TextPart(text),), context={text[:9]: text})
    await store.close_turn(turn, answer(text))

    question, reply = await all_messages(store, "1", "s")

    assert question.text == reply.text == text
    assert question.context == {text[:9]: text}


async def test_no_column_ever_holds_a_nul(
    store: Store,
    files: SqlFileStore,
    usage: SqlUsageStore,
    pins: SqlToolPins,
    policies: SqlPolicyTrail,
    database: Database,
) -> None:
    kept, _unsent = [await files.keep(NewFile("a\0b", "text/pl\0in", b"a\0b", "a\0b")) for _ in range(2)]
    straight = AttachmentPart("id", "a\0b", "text/pl\0in", 1, "0" * 64)
    turn = await store.open_turn(
        "1", "s", title="a\0b", parts=(TextPart("a\0b"), kept, straight), context={"k\0": "v\0"}
    )
    await store.close_turn(turn, replace(approval_of_calls("a\0b"), model="a\0b"))
    run_id = (await ask(store, "1", "s")).run_id
    await SqlRunStore(database).keep({run_id: KeptDraft((TextPart("a\0b"),), model="a\0b")}, [run_id])
    await usage.add("1", "a\0b", Usage(1, 1))
    await pins.pin("pmm", "entry", {"a\0b": "1"})
    await policies.note([policy(by_tool={"a\0b": ToolPolicy.DENY}, read_only=["a\0b"])])

    for table in metadata.tables.values():
        columns = [column.name for column in table.columns if not isinstance(column.type, LargeBinary)]
        stored = await rows(database, f"SELECT {', '.join(columns)} FROM {table.name}")
        assert stored, table.name
        assert not any("\0" in str(value) for row in stored for value in row), table.name
    assert turn.session.title == "a\N{REPLACEMENT CHARACTER}b"


async def test_what_users_send_with_lone_surrogates_is_refused(store: Store) -> None:
    await ask(store, "1", "s")
    for attempt in (
        store.open_turn("1", "s", title="t", parts=(TextPart(LONE),), context={}),
        store.open_turn("1", "s", title="t", parts=(TextPart("t"),), context={"k": LONE}),
        store.open_turn("1", "s", title="t", parts=(TextPart("t"),), context={LONE: "v"}),
        store.open_turn("1", "s", title=LONE, parts=(TextPart("t"),), context={}),
        store.open_turn("1", LONE, title="t", parts=(TextPart("t"),), context={}),
        store.open_turn("1", "a\0b", title="t", parts=(TextPart("t"),), context={}),
        store.create_session("1", LONE),
        store.rename_session("1", "s", LONE),
    ):
        with pytest.raises(InvalidRequest):
            await attempt

    assert await texts(store, "1", "s") == ["Why?"]
    assert (await store.list_sessions("1", page=1, limit=50)).total == 1


async def test_an_answer_with_broken_characters_is_repaired_rather_than_lost(store: Store) -> None:
    turn = await ask(store, "1", "s")

    assert await store.close_turn(turn, answer(ReasoningPart(LONE), "pair \ud83d\udc22, alone \udc22."))

    reply = (await all_messages(store, "1", "s"))[-1]
    assert reply.parts[0] == ReasoningPart("half a \N{REPLACEMENT CHARACTER} tortoise")
    assert reply.text == "pair 🐢, alone \N{REPLACEMENT CHARACTER}."


@pytest.mark.parametrize("session_id", [LONE, "a\0b", "", "'; DROP TABLE sessions; --"])
async def test_an_impossible_id_names_no_session(store: Store, session_id: str) -> None:
    for attempt in (
        store.get_session("1", session_id),
        store.rename_session("1", session_id, "t"),
        store.delete_session("1", session_id),
        store.clear_messages("1", session_id),
        store.list_messages("1", session_id, page=None, limit=1),
        all_messages(store, "1", session_id),
    ):
        with pytest.raises(NotFound):
            await attempt
