"""Finding sessions by the words of their titles and messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnClause, Connection, Row, bindparam, func, insert, literal_column, select, update

from aichat_backend.chat.conversation import Page
from aichat_backend.chat.search import FoundSession, Match, MatchField
from aichat_backend.storage import queries
from aichat_backend.storage.rows import SESSION_COLUMNS, said, session_of
from aichat_backend.storage.search_index import AllOf, has_words
from aichat_backend.storage.snippets import marked_snippet
from aichat_backend.storage.tables import messages, search_documents, sessions
from aichat_backend.storage.words import indexed_words, owned_word, wanted_words

_NO_MESSAGE: ColumnClause[int] = literal_column(str(2**63 - 1))
"""Stands for the title, which is what is shown of a session where both it and messages have the words."""

_HITS = (
    select(
        search_documents.c.session_pk,
        func.max(func.coalesce(search_documents.c.message_pk, _NO_MESSAGE)).label("message_pk"),
    )
    .where(has_words(bindparam("words", type_=AllOf)))
    .group_by(search_documents.c.session_pk)
    .subquery("hits")
)
_FOUND = sessions.join(_HITS, _HITS.c.session_pk == sessions.c.pk)
_ON_PAGE = (
    select(sessions.c.pk, *SESSION_COLUMNS, _HITS.c.message_pk)
    .select_from(_FOUND)
    .where(queries.OF_OWNER)
    .order_by(sessions.c.updated_at.desc(), sessions.c.pk.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
    .subquery("on_page")
)

FOUND_SESSIONS_PAGE = (
    select(*(column for column in _ON_PAGE.c if column.name != "message_pk"))
    .add_columns(messages.c.id.label("message_id"), messages.c.parts)
    .select_from(_ON_PAGE.outerjoin(messages, messages.c.pk == _ON_PAGE.c.message_pk))
    .order_by(_ON_PAGE.c.updated_at.desc(), _ON_PAGE.c.pk.desc())
)
"""Of messages, the page's alone are read: the newest in each session that has the words."""

NUMBER_OF_FOUND_SESSIONS = select(func.count()).select_from(_FOUND).where(queries.OF_OWNER)

_INSERT = insert(search_documents)
CHANGE_TITLE = (
    update(search_documents)
    .where(
        search_documents.c.session_pk == select(sessions.c.pk).where(queries.IS_SESSION).scalar_subquery(),
        search_documents.c.message_pk.is_(None),
    )
    .values(words=bindparam("new_words"))
)


def find(connection: Connection, owner: str, query: str, *, page: int, limit: int) -> Page[FoundSession]:
    """The owner's sessions whose title, or one of whose messages, has all the words; newest activity first."""
    wanted = wanted_words(query)
    if not wanted:
        return Page((), page, limit, 0)
    parameters = {"owner": owner, "words": tuple(owned_word(owner, word) for word in wanted)}
    total = connection.execute(NUMBER_OF_FOUND_SESSIONS, parameters).scalar_one()
    rows = connection.execute(FOUND_SESSIONS_PAGE, {**parameters, **queries.page_bounds(page, limit)}).all()
    return Page(tuple(FoundSession(session_of(row), _match(row, wanted)) for row in rows), page, limit, total)


def index_title(connection: Connection, owner: str, session_pk: int, title: str) -> None:
    """Let a new session be found by its title."""
    connection.execute(_INSERT, {"session_pk": session_pk, "message_pk": None, "words": indexed_words(owner, title)})


def index_message(connection: Connection, owner: str, session_pk: int, message_pk: int, text: str) -> None:
    """Let a session be found by a message. One without words is put down all the same: it has been looked at."""
    row = {"session_pk": session_pk, "message_pk": message_pk, "words": indexed_words(owner, text)}
    connection.execute(_INSERT, row)


def index_new_title(connection: Connection, owner: str, session_id: str, title: str) -> None:
    """Let a session be found by another title than before."""
    changed = {"owner": owner, "session": session_id, "new_words": indexed_words(owner, title)}
    connection.execute(CHANGE_TITLE, changed)


def _match(row: Row[*tuple[Any, ...]], wanted: Sequence[str]) -> Match:
    in_title = row.message_id is None
    snippet, marks = marked_snippet(row.title if in_title else said(row.parts), wanted)
    return Match(MatchField.TITLE if in_title else MatchField.MESSAGE, snippet, marks, row.message_id)
