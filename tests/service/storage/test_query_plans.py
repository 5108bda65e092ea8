"""Lists and pages come from an index: no table is searched through, nothing is sorted."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, Delete, Select, Update, text
from sqlalchemy.dialects import sqlite

from aichat_backend.storage import approvals, attachments, audit, erasure, files, pins, queries, runs, usage
from aichat_backend.storage.database import Database
from aichat_backend.storage.tables import blobs
from fakes.databases import ON_SQLITE
from fakes.sql import change

Statement = Select[*tuple[Any, ...]] | Update | Delete

LIST = "sessions USING COVERING INDEX ix_sessions_user_id_updated_at_pk (user_id=?)"
ALL_OF_USER = "INDEX ix_sessions_user_id_updated_at_pk (user_id=?)"
SESSION = "sqlite_autoindex_sessions_1 (id=? AND user_id=?)"
ALL = "messages USING INDEX sqlite_autoindex_messages_2 (session_pk=?)"
PAGE = "messages USING INDEX sqlite_autoindex_messages_2 (session_pk=? AND position>? AND position<?)"
LATER = "INDEX sqlite_autoindex_messages_2 (session_pk=? AND position>?)"
ROWS = "INDEX sqlite_autoindex_messages_2 (session_pk=?)"
OWNER = "sqlite_autoindex_owners_1 (user_id=?)"
ROW = "USING INTEGER PRIMARY KEY (rowid=?)"
MESSAGE = "sqlite_autoindex_messages_1 (id=?)"
HAS = "approvals USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN"
FILES = "attachments USING INDEX ix_attachments_message_pk (message_pk=?)"
SHARED = "INDEX ix_attachments_sha256 (sha256=?)"
CONTENTS = "sqlite_autoindex_blobs_1 (sha256=?)"
RUN = "INDEX sqlite_autoindex_runs_2 (id=?)"
KEPT = "INDEX ix_uploads_sha256 (sha256=?)"


LEAVING = {CONTENTS, FILES, SHARED, KEPT}

STATEMENTS: dict[str, tuple[Statement, set[str]]] = {
    "sessions page": (queries.SESSIONS_PAGE, {LIST, f"sessions {ROW}"}),
    "number of sessions": (queries.NUMBER_OF_SESSIONS, {OWNER}),
    "found sessions": (queries.FOUND_SESSIONS_PAGE, {"(user_id=?)", ALL}),
    "count found sessions": (queries.COUNT_FOUND_SESSIONS, {"(user_id=?)", ALL}),
    "one session": (queries.SESSION, {SESSION}),
    "locked session": (queries.LOCKED_SESSION, {SESSION}),
    "touch": (queries.TOUCH_SESSION, {SESSION}),
    "rename": (queries.RENAME_SESSION, {SESSION}),
    "set title": (queries.SET_TITLE, {SESSION}),
    "delete session": (queries.DELETE_SESSION, {SESSION}),
    "delete sessions": (queries.DELETE_SESSIONS, {ALL_OF_USER}),
    "messages page": (queries.MESSAGES_PAGE, {PAGE, SESSION, HAS}),
    "all messages": (queries.ALL_MESSAGES, {ALL, SESSION, HAS}),
    "messages up to": (queries.MESSAGES_UP_TO, {ALL.replace("=?)", "=? AND position<?)"), SESSION, HAS}),
    "number of messages": (queries.NUMBER_OF_MESSAGES, {SESSION}),
    "later messages": (queries.LATER_MESSAGES, {LATER}),
    "move message": (queries.MOVE_MESSAGE, {f"messages {ROW}"}),
    "set message count": (queries.SET_MESSAGE_COUNT, {f"sessions {ROW}"}),
    "grow session": (queries.GROW_SESSION, {SESSION}),
    "clear session": (queries.CLEAR_SESSION, {SESSION}),
    "fewer sessions": (queries.COUNT_SESSIONS_LESS, {OWNER}),
    "delete owner": (queries.DELETE_OWNER, {OWNER}),
    "one message": (queries.LOCKED_MESSAGE, {MESSAGE, f"sessions {ROW}"}),
    "approval": (approvals.APPROVAL, {MESSAGE, ROW}),
    "claim": (approvals._CLAIM, {f"approvals {ROW}"}),
    "supersede": (approvals._SUPERSEDE, {"ix_approvals_session_pk_status (session_pk=? AND status=?)"}),
    "attachment": (attachments.ATTACHMENT, {"sqlite_autoindex_attachments_1 (id=?)", ROW}),
    "forget uploads": (attachments._FORGET_UPLOADS, {"sqlite_autoindex_uploads_1 (id=?)"}),
    "contents of a session": (attachments.REMOVE_ALL_OF_SESSION._contents, {*LEAVING, ROWS, SESSION}),
    "messages of a session": (attachments.REMOVE_ALL_OF_SESSION._messages, {ROWS, SESSION}),
    "contents of messages": (attachments.REMOVE_FROM_SESSION._contents, {*LEAVING, SESSION}),
    "some messages": (attachments.REMOVE_FROM_SESSION._messages, {SESSION}),
    "contents of a user": (attachments.REMOVE_ALL_OF_OWNER._contents, {*LEAVING, ROWS, ALL_OF_USER}),
    "messages of a user": (attachments.REMOVE_ALL_OF_OWNER._messages, {ROWS, ALL_OF_USER}),
    "contents": (files.CONTENTS, {CONTENTS}),
    "claim contents": (attachments.CLAIM_CONTENTS, {CONTENTS}),
    "stale uploads": (attachments.STALE_UPLOADS, {"ix_uploads_kept_at (kept_at<?)"}),
    "delete stale uploads": (attachments.DELETE_STALE_UPLOADS, {"ix_uploads_kept_at (kept_at<?)"}),
    "delete unreferenced": (attachments.DELETE_UNREFERENCED, {CONTENTS, SHARED, KEPT}),
    "usage by day": (usage.BY_DAY, {"sqlite_autoindex_usage_1 (user_id=?)"}),
    "usage of today": (usage.SPENT, {"sqlite_autoindex_usage_1 (user_id=? AND day=?)"}),
    "delete usage": (erasure.DELETE_USAGE, {"sqlite_autoindex_usage_1 (user_id=?)"}),
    "living runs": (runs.ALIVE, {RUN}),
    "beat of runs": (runs.BEAT, {RUN}),
    "keep a draft": (runs.KEEP, {RUN}),
    "end of a run": (runs.END, {RUN}),
    "end of a dead run": (runs.END_DEAD, {RUN}),
    "dead run": (runs.DEAD, {RUN, f"sessions {ROW}", f"messages {ROW}", HAS}),
    "audit": (audit.PAGE, {"audit USING INDEX ix_audit_at_pk (at>?)"}),
    "audit of a user": (audit.PAGE_OF_USER, {"ix_audit_user_id_at_pk (user_id=? AND at>?)"}),
    "take a user out of the audit": (audit.TAKE_OUT_USER, {"ix_audit_user_id_at_pk (user_id=?)"}),
    "pins": (pins.PINNED, {"sqlite_autoindex_tool_pins_1 (server=? AND entry_digest=?)"}),
}

MANY_SESSIONS = """
    INSERT INTO sessions (user_id, id, title, search_title, message_count, created_at, updated_at)
    WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    SELECT i % 10, 's' || (i / 10), 't', 't', 5, i, i FROM n
"""
MANY_MESSAGES = """
    INSERT INTO messages (id, session_pk, position, role, status, parts, context, search_text, created_at)
    WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 5)
    SELECT pk || '-' || i, pk, i, 'user', 'complete', '[]', '{}', '', i FROM sessions, n
"""


SORT_A_PAGE = (queries.SESSIONS_PAGE,)
"""They sort no more than the rows of a page, which an index has picked out in order."""

NOW = datetime.now(UTC)
PARAMETERS = {
    **dict.fromkeys(("owner", "last", "message_pk_", "session_pk_", "new_position", "new_count"), "1"),
    **dict.fromkeys(("limit", "offset", "first", "fewer"), 20),
    **dict.fromkeys(("ids", "removed", "contents"), ("a", "b")),
    **dict.fromkeys(("now", "kept_before", "after"), NOW),
    "today": NOW.date(),
    **dict.fromkeys(("last_beat", "after_pk"), 0),
}
"""What statements are given; every other parameter is some text."""


@ON_SQLITE
@pytest.mark.parametrize("preparation", [(), (MANY_SESSIONS, MANY_MESSAGES, "ANALYZE")], ids=["empty", "analyzed"])
@pytest.mark.parametrize("name", STATEMENTS)
async def test_a_statement_reads_only_the_rows_it_needs(
    database: Database, name: str, preparation: tuple[str, ...]
) -> None:
    statement, wanted = STATEMENTS[name]
    await change(database, *preparation)

    plan = await database.write(partial(_plan, statement=statement))

    assert "SCAN" not in plan
    assert "TEMP B-TREE" not in plan or any(statement is sorting for sorting in SORT_A_PAGE)
    assert all(part in plan for part in wanted), plan


def _plan(connection: Connection, statement: Statement) -> str:
    driver = connection.connection.driver_connection
    assert driver is not None
    needed = statement.compile(dialect=sqlite.dialect()).binds
    ran: list[str] = []
    driver.set_trace_callback(ran.append)
    connection.execute(
        statement, {name: PARAMETERS.get(name, "s") for name, bind in needed.items() if bind.value is None}
    )
    driver.set_trace_callback(None)
    return "\n".join(row.detail for row in connection.execute(text(f"EXPLAIN QUERY PLAN {ran[0]}")))


def test_no_list_reads_contents() -> None:
    lists = (queries.SESSIONS_PAGE, queries.FOUND_SESSIONS_PAGE, queries.MESSAGES_PAGE)

    assert not any(blobs in statement.get_final_froms() for statement in lists)
