"""Lists and pages come from an index: no table is searched through, nothing is sorted."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Delete, Select, Update, text
from sqlalchemy.dialects import sqlite

from aichat_backend.storage import queries
from aichat_backend.storage.database import Database

LIST = "sessions USING INDEX ix_sessions_user_id_updated_at_pk (user_id=?)"
SESSION = "sqlite_autoindex_sessions_1 (id=? AND user_id=?)"
PAGE = "messages USING INDEX ix_messages_session_pk_pk (session_pk=?)"

STATEMENTS: dict[str, tuple[Select[*tuple[Any, ...]] | Update | Delete, set[str]]] = {
    "sessions page": (queries.sessions_page("1", page=3, limit=20), {LIST}),
    "count sessions": (queries.count_sessions("1"), {LIST.replace("INDEX", "COVERING INDEX")}),
    "one session": (queries.session_of_user("1", "s"), {SESSION}),
    "newest messages": (queries.newest_messages("1", "s", limit=50), {PAGE, SESSION}),
    "messages page": (queries.messages_page("1", "s", page=3, limit=50), {PAGE, SESSION}),
    "all messages": (queries.all_messages("1", "s"), {PAGE, SESSION}),
    "count messages": (queries.count_messages("1", "s"), {PAGE.replace("INDEX", "COVERING INDEX"), SESSION}),
    "one message": (queries.one_message("1", "s", "m"), {"sqlite_autoindex_messages_1 (id=?)", SESSION}),
    "locked session": (queries.locked_session_pk("1", "s"), {SESSION}),
    "rename": (queries.update_session("1", "s", title="t"), {SESSION}),
    "delete session": (queries.delete_session("1", "s"), {SESSION}),
    "delete messages": (queries.delete_messages("1", "s"), {"ix_messages_session_pk_pk (session_pk=?)", SESSION}),
}


MANY_SESSIONS = """
    INSERT INTO sessions (user_id, id, title, created_at, updated_at)
    WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    SELECT i % 10, 's' || (i / 10), 't', i, i FROM n
"""
MANY_MESSAGES = """
    INSERT INTO messages (id, session_pk, role, status, parts, context, created_at)
    WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 5)
    SELECT pk || '-' || i, pk, 'user', 'complete', '[]', '{}', i FROM sessions, n
"""


@pytest.mark.parametrize("preparation", [(), (MANY_SESSIONS, MANY_MESSAGES, "ANALYZE")], ids=["empty", "analyzed"])
@pytest.mark.parametrize("name", STATEMENTS)
async def test_a_statement_reads_only_the_rows_it_needs(
    database: Database, name: str, preparation: tuple[str, ...]
) -> None:
    statement, wanted = STATEMENTS[name]
    async with database.write() as transaction:
        for step in preparation:
            await transaction.execute(text(step))

    plan = await _plan(database, statement)

    assert "SCAN sessions" not in plan
    assert "SCAN messages" not in plan
    assert "TEMP B-TREE" not in plan
    assert all(part in plan for part in wanted), plan


async def _plan(database: Database, statement: Select[*tuple[Any, ...]] | Update | Delete) -> str:
    compiled = statement.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    async with database.read() as transaction:
        rows = await transaction.execute(text(f"EXPLAIN QUERY PLAN {compiled}"))
        return "\n".join(row.detail for row in rows)
