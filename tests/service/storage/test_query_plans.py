"""Lists and pages come from an index: no table is searched through, nothing is sorted."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, Delete, Select, Update, event
from sqlalchemy.dialects import sqlite

from aichat_backend.storage import (
    approvals,
    attachments,
    audit,
    audit_retention,
    erasure,
    files,
    indexing,
    leaving,
    pins,
    policies,
    queries,
    retention,
    runs,
    search,
    usage,
)
from aichat_backend.storage.database import Database
from fakes.databases import ON_SQLITE
from fakes.sql import change

Statement = Select[*tuple[Any, ...]] | Update | Delete

LIST = "sessions USING COVERING INDEX ix_sessions_user_id_updated_at_pk (user_id=?)"
ALL_OF_USER = "INDEX ix_sessions_user_id_updated_at_pk (user_id=?)"
SESSION = "sqlite_autoindex_sessions_1 (id=? AND user_id=?)"
PAGE = "messages USING INDEX sqlite_autoindex_messages (session_pk=? AND position>? AND position<?)"
LATER = "INDEX sqlite_autoindex_messages (session_pk=? AND position>?)"
OWNER = "sqlite_autoindex_owners_1 (user_id=?)"
ROW = "USING INTEGER PRIMARY KEY (rowid=?)"
MESSAGE = "sqlite_autoindex_messages (id=?)"
HAS = "approvals USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN"
FILES = "attachments USING INDEX ix_attachments_message_pk (message_pk=?)"
SHARED = "INDEX ix_attachments_sha256 (sha256=?)"
CONTENTS = "sqlite_autoindex_blobs_1 (sha256=?)"
RUN = "INDEX sqlite_autoindex_runs_"
"""By its id or its message: which of them has which number is left to chance when the table is changed."""
KEPT = "INDEX ix_uploads_sha256 (sha256=?)"


WORDS = "search_index VIRTUAL TABLE INDEX 0:M"


LEAVING = {CONTENTS, FILES, SHARED, KEPT}

STATEMENTS: dict[str, tuple[Statement, set[str]]] = {
    "sessions page": (queries.SESSIONS_PAGE, {LIST, f"sessions {ROW}"}),
    "late sessions page": (queries.LATE_SESSIONS_PAGE, {LIST, f"sessions {ROW}"}),
    "number of sessions": (queries.NUMBER_OF_SESSIONS, {OWNER}),
    "found sessions": (search.FOUND_SESSIONS_PAGE, {WORDS, f"search_documents {ROW}", f"messages {ROW}"}),
    "number of found sessions": (
        search.NUMBER_OF_FOUND_SESSIONS,
        {WORDS, f"search_documents {ROW}", f"sessions {ROW}"},
    ),
    "owner of old sessions": (
        retention.OWNER_OF_OLD,
        {OWNER.replace("=?", ">?"), "(user_id=? AND updated_at<?)"},
    ),
    "old sessions": (retention.OLD_SESSIONS, {"(user_id=? AND updated_at<?)"}),
    "disown a session": (leaving.DISOWN_SESSION, {SESSION}),
    "disown some sessions": (leaving.DISOWN_SOME, {f"sessions {ROW}"}),
    "disown all sessions": (leaving.DISOWN_ALL, {ALL_OF_USER}),
    "runs of what was left": (leaving.END_RUNS, {f"runs {ROW}", ALL_OF_USER}),
    "who left something": (leaving.NEXT_NOBODY, {"INDEX ix_sessions_user_id_updated_at_pk (user_id<?)"}),
    "whether something is left": (leaving.IS_LEFT, {ALL_OF_USER}),
    "what is left": (leaving.NEXT_LEFT, {ALL_OF_USER}),
    "files of last messages": (leaving.FILES_OF_LAST_MESSAGES, {LATER, FILES}),
    "contents of last messages": (leaving.REMOVE_LAST_MESSAGES._contents, {*LEAVING, LATER}),
    "last messages": (leaving.REMOVE_LAST_MESSAGES._messages, {LATER}),
    "delete what was left": (leaving.DELETE_LEFT, {f"sessions {ROW}"}),
    "change title": (search.CHANGE_TITLE, {"(session_pk=? AND message_pk=?)", SESSION}),
    "one session": (queries.SESSION, {SESSION}),
    "locked session": (queries.LOCKED_SESSION, {SESSION}),
    "touch": (queries.TOUCH_SESSION, {SESSION}),
    "rename": (queries.RENAME_SESSION, {SESSION}),
    "set title": (queries.SET_TITLE, {SESSION}),
    "messages page": (queries.MESSAGES_PAGE, {PAGE, SESSION, HAS}),
    "newest messages": (queries.CONTENTS, {PAGE.replace("position>? AND ", ""), SESSION, HAS}),
    "places of messages": (queries.PLACES, {PAGE.replace("INDEX", "COVERING INDEX"), SESSION, HAS}),
    "number of messages": (queries.NUMBER_OF_MESSAGES, {SESSION}),
    "later messages": (queries.LATER_MESSAGES, {LATER}),
    "move message": (queries.MOVE_MESSAGE, {f"messages {ROW}"}),
    "set message count": (queries.SET_MESSAGE_COUNT, {f"sessions {ROW}"}),
    "grow session": (queries.GROW_SESSION, {SESSION}),
    "hold session of its user": (queries.HOLD_SESSION, {SESSION}),
    "fewer sessions": (queries.COUNT_SESSIONS_LESS, {OWNER}),
    "delete owner": (queries.DELETE_OWNER, {OWNER}),
    "one message": (queries.LOCKED_MESSAGE, {MESSAGE, f"sessions {ROW}"}),
    "approval": (approvals.APPROVAL, {MESSAGE, ROW}),
    "claim": (approvals._CLAIM, {f"approvals {ROW}"}),
    "supersede": (approvals._SUPERSEDE, {"ix_approvals_session_pk_status (session_pk=? AND status=?)"}),
    "attachment": (attachments.ATTACHMENT, {"sqlite_autoindex_attachments_1 (id=?)", ROW}),
    "forget uploads": (attachments._FORGET_UPLOADS, {"sqlite_autoindex_uploads_1 (id=?)"}),
    "contents of messages": (attachments.REMOVE_FROM_SESSION._contents, {*LEAVING, SESSION}),
    "some messages": (attachments.REMOVE_FROM_SESSION._messages, {SESSION}),
    "contents": (files.CONTENTS, {CONTENTS}),
    "claim contents": (attachments.CLAIM_CONTENTS, {CONTENTS}),
    "stale uploads": (attachments.STALE_UPLOADS, {"ix_uploads_kept_at (kept_at<?)"}),
    "delete stale uploads": (attachments.DELETE_STALE_UPLOADS, {"ix_uploads_kept_at (kept_at<?)"}),
    "delete unreferenced": (attachments.DELETE_UNREFERENCED, {CONTENTS, SHARED, KEPT}),
    "usage by day": (usage.BY_DAY, {"sqlite_autoindex_usage_1 (user_id=?)"}),
    "usage of today": (usage.SPENT, {"sqlite_autoindex_usage_1 (user_id=? AND day=?)"}),
    "delete usage": (erasure.DELETE_USAGE, {"sqlite_autoindex_usage_1 (user_id=?)"}),
    "news of runs": (runs.NEWS, {RUN}),
    "session of a run": (runs.SESSION_OF_RUN, {RUN, f"sessions {ROW}"}),
    "run in a session": (runs.RUN_IN_SESSION, {SESSION, f"runs {ROW}"}),
    "owner of what is counted": (usage.TOUCH_OWNER, {OWNER}),
    "run to stop": (runs.WANT_STOPPED, {RUN}),
    "beat of runs": (runs.BEAT, {RUN}),
    "keep a draft": (runs.KEEP, {RUN}),
    "end of a run": (runs.END, {RUN}),
    "end of a dead run": (runs.END_DEAD, {RUN}),
    "questions to index": (
        indexing.UNINDEXED,
        {
            RUN,
            f"sessions {ROW}",
            f"messages {ROW}",
            "search_documents USING COVERING INDEX ix_search_documents_message_pk (message_pk=?) LEFT-JOIN",
            "ix_search_documents_session_pk_message_pk (session_pk=? AND message_pk=?)",
        },
    ),
    "hold session": (indexing.HOLD_SESSION, {f"sessions {ROW}"}),
    "dead run": (runs.DEAD, {RUN, f"sessions {ROW}", f"messages {ROW}", HAS}),
    "audit": (audit.PAGE, {"audit USING INDEX ix_audit_at_pk (at>?)"}),
    "audit of a user": (audit.PAGE_OF_USER, {"ix_audit_user_id_at_pk (user_id=? AND at>?)"}),
    "old entries of the audit": (audit_retention.OLD_ENTRIES, {"ix_audit_at_pk (at<?)"}),
    "delete entries of the audit": (audit_retention.DELETE_ENTRIES, {f"audit {ROW}"}),
    "take a user out of the audit": (audit.TAKE_OUT_SOME, {f"audit {ROW}", "ix_audit_user_id_at_pk (user_id=?)"}),
    "pins": (pins.PINNED, {"sqlite_autoindex_tool_pins_1 (server=? AND entry_digest=?)"}),
    "remove policy": (policies.REMOVE, {"sqlite_autoindex_server_policies_1 (server=?)"}),
}

MANY_SESSIONS = """
    INSERT INTO sessions (user_id, id, title, message_count, created_at, updated_at)
    WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    SELECT i % 10, 's' || (i / 10), 't', 5, i, i FROM n
"""
MANY_MESSAGES = """
    INSERT INTO messages (id, session_pk, position, role, status, parts, context, created_at)
    WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 5)
    SELECT pk || '-' || i, pk, i, 'user', 'complete', '[]', '{}', i FROM sessions, n
"""


SORT_A_PAGE = (
    queries.SESSIONS_PAGE,
    queries.LATE_SESSIONS_PAGE,
    search.FOUND_SESSIONS_PAGE,
    search.NUMBER_OF_FOUND_SESSIONS,
)
"""They sort no more than the rows of a page, or what was found."""

NOW = datetime.now(UTC)
PARAMETERS = {
    **dict.fromkeys(("owner", "last", "message_pk_", "session_pk_", "new_position", "new_count"), "1"),
    **dict.fromkeys(("limit", "offset", "first", "fewer"), 20),
    **dict.fromkeys(("ids", "removed", "contents"), ("a", "b")),
    "pks": (1, 2),
    **dict.fromkeys(("now", "kept_before", "after", "before"), NOW),
    "today": NOW.date(),
    **dict.fromkeys(("last_beat", "after_pk"), 0),
    "words": ("a", "b"),
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

    assert not re.search(r"SCAN (?!hits|on_page|search_index VIRTUAL TABLE INDEX 0:M)", plan), plan
    assert "TEMP B-TREE" not in plan or any(statement is sorting for sorting in SORT_A_PAGE)
    assert all(part in plan for part in wanted), plan


def _plan(connection: Connection, statement: Statement) -> str:
    ran: list[tuple[str, Any]] = []

    def keep(_connection: object, _cursor: object, sql: str, parameters: Any, *_: object) -> None:
        ran.append((sql, parameters))

    event.listen(connection, "before_cursor_execute", keep)
    needed = statement.compile(dialect=sqlite.dialect()).binds
    connection.execute(
        statement, {name: PARAMETERS.get(name, "s") for name, bind in needed.items() if bind.value is None}
    )
    event.remove(connection, "before_cursor_execute", keep)
    sql, parameters = ran[0]
    plan = "\n".join(row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", parameters))
    # Which of the two is the first, chance decides when the table is changed.
    return re.sub(r"(sqlite_autoindex_messages)_\d", r"\1", plan)


def test_no_list_reads_contents() -> None:
    lists = (queries.SESSIONS_PAGE, search.FOUND_SESSIONS_PAGE, queries.MESSAGES_PAGE)

    assert not any("blobs" in str(statement.compile(dialect=sqlite.dialect())) for statement in lists)


def test_no_list_of_sessions_reads_a_message() -> None:
    assert "messages" not in str(queries.SESSIONS_PAGE.compile(dialect=sqlite.dialect()))
