"""Making a question findable a moment after it was stored, so that its answer does not wait for that.

A run under way names a question that may not be in the index yet. Whoever keeps the run, which happens every second, or
ends it, puts the question there, and the title of a session that began with it.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, bindparam, select, update

from aichat_backend.storage.rows import said
from aichat_backend.storage.search import index_message, index_title
from aichat_backend.storage.tables import messages, runs, search_documents, sessions

_TITLE = search_documents.alias("title")

UNINDEXED = (
    select(
        sessions.c.pk.label("session_pk"),
        sessions.c.user_id,
        sessions.c.title,
        messages.c.pk.label("message_pk"),
        messages.c.parts,
        select(_TITLE.c.pk)
        .where(_TITLE.c.session_pk == sessions.c.pk, _TITLE.c.message_pk.is_(None))
        .exists()
        .label("has_title"),
    )
    .select_from(
        runs.join(sessions, sessions.c.pk == runs.c.session_pk)
        .join(messages, messages.c.pk == runs.c.message_pk)
        .outerjoin(search_documents, search_documents.c.message_pk == messages.c.pk)
    )
    .where(runs.c.id.in_(bindparam("ids", expanding=True)), search_documents.c.pk.is_(None))
)
HOLD_SESSION = (
    update(sessions).where(sessions.c.pk == bindparam("session_pk_")).values(message_count=sessions.c.message_count)
)
"""Changes nothing, and so gets in the way of whoever gives the session another title or takes its messages away."""


def index_questions(connection: Connection, run_ids: Collection[str]) -> None:
    """Let the questions of these runs be found, where they are not yet; their sessions are kept from other writers.

    It comes first in a transaction that changes the runs: others hold a session before its run, too.
    """
    # In one order for all: two who hold several sessions must not wait for each other.
    for row in sorted(connection.execute(UNINDEXED, {"ids": list(run_ids)}).all()):
        connection.execute(HOLD_SESSION, {"session_pk_": row.session_pk})
        if not row.has_title:
            index_title(connection, row.user_id, row.session_pk, row.title)
        index_message(connection, row.user_id, row.session_pk, row.message_pk, said(row.parts))
