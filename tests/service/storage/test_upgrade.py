"""A database of an earlier version keeps all that is in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from alembic import command
from sqlalchemy import Column, Connection, MetaData, Table, insert, text

from aichat_backend.chat.approvals import ApprovalStatus, Decision
from aichat_backend.chat.conversation import Message, MessageStatus, Session
from aichat_backend.chat.files import NewFile
from aichat_backend.chat.parts import ReasoningPart, Role, TextPart, Usage
from aichat_backend.storage.database import Database
from aichat_backend.storage.files import SqlFileStore
from aichat_backend.storage.schema import migration_settings
from fakes.conversations import all_messages, answer, approval_of_calls, ask, texts
from fakes.databases import ON_SQLITE
from fakes.sql import column
from fakes.stores import Store

THEN = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
MICROSECONDS = 1767323045678901

SESSION_COLUMNS = ("pk", "user_id", "id", "title", "created_at", "updated_at")
SESSIONS = [
    (1, "1", "s", "Straße \N{REPLACEMENT CHARACTER}", MICROSECONDS, MICROSECONDS),
    (7, "1", "empty", "Nothing", MICROSECONDS, MICROSECONDS),
    (8, "2", "s", "Bob's", MICROSECONDS, MICROSECONDS),
    (99, "1", "gone", "Deleted", 0, 0),
]
MESSAGE_COLUMNS = (
    "pk",
    "id",
    "session_pk",
    "role",
    "status",
    "parts",
    "context",
    "input_tokens",
    "output_tokens",
    "created_at",
)
QUESTION = '[{"type":"text","text":"Why \\u0000 SLOW?"}]'
ANSWER = '[{"type":"reasoning","text":"hidden"},{"type":"text","text":"Disks"}]'
MESSAGES = [
    (3, "q", 1, "user", "complete", QUESTION, '{"page":"MySQL"}', None, None, MICROSECONDS),
    (9, "a", 1, "assistant", "stopped", ANSWER, "{}", 7, 9, MICROSECONDS),
    (12, "b", 8, "user", "complete", '[{"type":"text","text":"Mine?"}]', "{}", None, None, MICROSECONDS),
]


def build_first_revision(connection: Connection) -> None:
    """The schema as it was, with conversations in it, and one that was deleted."""
    settings = migration_settings()
    settings.attributes["connection"] = connection
    command.upgrade(settings, "0001")
    for table, columns, rows in (("sessions", SESSION_COLUMNS, SESSIONS), ("messages", MESSAGE_COLUMNS, MESSAGES)):
        added = insert(Table(table, MetaData(), *map(Column, columns)))
        connection.execute(added, [dict(zip(columns, row, strict=True)) for row in rows])
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SELECT setval('{table}_pk_seq', 99)"))
    connection.execute(text("DELETE FROM sessions WHERE id = 'gone'"))


@pytest.fixture
async def upgraded(empty_url: str) -> AsyncIterator[Database]:
    """A database that was made by the first version."""
    database = await Database.open(empty_url)
    await database.write(build_first_revision)
    await database.upgrade()
    yield database
    await database.close()


async def test_every_conversation_is_there_as_it_was(upgraded: Database) -> None:
    store = Store(upgraded)

    assert (await store.list_sessions("1", page=1, limit=9)).items == (
        Session("empty", "1", "Nothing", THEN, THEN),
        Session("s", "1", "Straße \N{REPLACEMENT CHARACTER}", THEN, THEN),
    )
    assert await all_messages(store, "1", "s") == (
        Message(
            id="q",
            role=Role.USER,
            parts=(TextPart("Why \0 SLOW?"),),
            status=MessageStatus.COMPLETE,
            created_at=THEN,
            context={"page": "MySQL"},
        ),
        Message(
            id="a",
            role=Role.ASSISTANT,
            parts=(ReasoningPart("hidden"), TextPart("Disks")),
            status=MessageStatus.STOPPED,
            created_at=THEN,
            usage=Usage(7, 9),
        ),
    )
    assert await texts(store, "2", "s") == ["Mine?"]


@pytest.mark.parametrize("query", ["STRASSE", "why \0 slow", "disks"])
async def test_what_was_said_before_is_found(upgraded: Database, query: str) -> None:
    found = await Store(upgraded).find_sessions("1", query, page=1, limit=9)

    assert [hit.session.id for hit in found.items] == ["s"]
    assert (await Store(upgraded).find_sessions("1", "hidden", page=1, limit=9)).total == 0


@ON_SQLITE
async def test_the_file_is_sound(upgraded: Database) -> None:
    assert await column(upgraded, "PRAGMA foreign_key_check") == []
    assert await column(upgraded, "PRAGMA integrity_check") == ["ok"]


async def test_the_tables_hang_together_as_before(upgraded: Database) -> None:
    store, files = Store(upgraded), SqlFileStore(upgraded)

    turn = await ask(store, "1", "s", "And now?")
    asking = approval_of_calls("c")
    await store.close_turn(turn, asking)
    decided = await store.decide_turn("1", "s", Decision(asking.id, approved=True))
    assert decided.message.approval is not None
    assert decided.message.approval.status is ApprovalStatus.APPROVED
    kept = await files.keep(NewFile("f", "text/plain", b"f"))
    await store.close_turn(decided, answer("Done.", kept))

    await store.delete_session("1", "s")
    assert await column(upgraded, "SELECT id FROM messages") == ["b"]
    for table in ("approvals", "attachments", "blobs"):
        assert await column(upgraded, f"SELECT count(*) FROM {table}") == [0]


async def test_what_was_there_is_counted(upgraded: Database) -> None:
    store = Store(upgraded)

    assert [(await store.list_sessions(user, page=1, limit=1)).total for user in "123"] == [2, 1, 0]
    newest = await store.list_messages("1", "s", page=None, limit=1)
    assert ([message.id for message in newest.items], newest.total) == (["a"], 2)
    assert (await store.list_messages("1", "empty", page=1, limit=1)).total == 0


async def test_row_numbers_go_on(upgraded: Database) -> None:
    await Store(upgraded).create_session("1", "new")

    assert await column(upgraded, "SELECT pk > 8 FROM sessions WHERE title = 'new'") == [1]


async def test_thousands_of_messages_and_sessions_are_filled_in(empty_url: str) -> None:
    def build(connection: Connection) -> None:
        build_first_revision(connection)
        connection.execute(
            text("""
                INSERT INTO messages (id, session_pk, role, status, parts, context, created_at)
                WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 1300)
                SELECT 'm' || i, 7, 'user', 'complete', '[{"type"\\:"text","text"\\:"N' || i || '"}]', '{}', i FROM n
            """)
        )
        connection.execute(
            text("""
                INSERT INTO sessions (user_id, id, title, created_at, updated_at)
                WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 1300)
                SELECT '3', 's' || i, 'New', i, i FROM n
            """)
        )
        connection.execute(
            text("""
                INSERT INTO messages (id, session_pk, role, status, parts, context, created_at)
                SELECT 'of' || pk, pk, 'user', 'complete', '[]', '{}', 1 FROM sessions WHERE user_id = '3'
            """)
        )

    database = await Database.open(empty_url)
    await database.write(build)
    await database.upgrade()

    filled = await column(database, "SELECT words FROM search_documents WHERE session_pk = 7 ORDER BY pk")
    assert filled == ["1:nothing", *(f"1:n{number}" for number in range(1, 1301))]
    assert (await Store(database).find_sessions("1", "N1234", page=1, limit=1)).total == 1
    assert await column(database, "SELECT position FROM messages WHERE session_pk = 7 ORDER BY pk") == [*range(1, 1301)]
    counted = "SELECT count(*) FROM sessions JOIN messages ON session_pk = sessions.pk WHERE message_count = position"
    assert await column(database, f"{counted} AND user_id = '3'") == [1300]
    assert (await Store(database).list_sessions("3", page=66, limit=20)).total == 1300
    await database.close()
