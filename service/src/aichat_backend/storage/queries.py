"""The statements on sessions and messages. Each one names the user whose rows it may see.

They are built once: building one anew costs more than running it. Their parameters are `owner`, a user's id; `session`
and `message`, ids as users know them; `limit` and `offset`; `first` and `last`, positions of messages. None of them
counts rows: sessions know how many messages they have, and owners how many sessions.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Executable, Select, and_, bindparam, delete, insert, select, update

from aichat_backend.storage.rows import MESSAGE_COLUMNS, SESSION_COLUMNS
from aichat_backend.storage.tables import approvals, messages, owners, sessions

if TYPE_CHECKING:
    from aichat_backend.storage.engines import InsertOrUpdate

_FARTHEST_ROW = 2**31 - 1
"""The largest offset that every database takes; a page beyond it is empty all the same."""

OF_OWNER = sessions.c.user_id == bindparam("owner")
"""All sessions of a user."""

IS_SESSION = and_(OF_OWNER, sessions.c.id == bindparam("session"))
"""One session of a user."""

IN_SESSION = messages.c.session_pk == select(sessions.c.pk).where(IS_SESSION).scalar_subquery()
"""The messages of one session of a user."""


def page_bounds(page: int, limit: int) -> dict[str, int]:
    """The parameters `limit` and `offset` of a page."""
    return {"limit": limit, "offset": min((page - 1) * limit, _FARTHEST_ROW)}


def positions(page: int | None, limit: int, count: int) -> dict[str, int]:
    """The parameters `first` and `last` of a page of messages; without a page, of the newest."""
    before = count - limit if page is None else min((page - 1) * limit, _FARTHEST_ROW)
    return {"first": before + 1, "last": before + limit}


def _page(statement: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    return statement.limit(bindparam("limit")).offset(bindparam("offset"))


SESSION = select(sessions.c.pk, sessions.c.message_count, *SESSION_COLUMNS).where(IS_SESSION)

LOCKED_SESSION = SESSION.with_for_update()
"""Kept from other writers, where they do not come one by one anyway."""

_NEWEST_FIRST = (sessions.c.updated_at.desc(), sessions.c.pk.desc())
_OLDEST_FIRST = (sessions.c.updated_at, sessions.c.pk)


def _sessions_page(*counted: ColumnElement[Any]) -> Select[*tuple[Any, ...]]:
    on_page = _page(select(sessions.c.pk).where(OF_OWNER).order_by(*counted))
    return select(*SESSION_COLUMNS).where(sessions.c.pk.in_(on_page)).order_by(*_NEWEST_FIRST)


SESSIONS_PAGE = _sessions_page(*_NEWEST_FIRST)
"""What comes before the page is passed over in the index alone."""
LATE_SESSIONS_PAGE = _sessions_page(*_OLDEST_FIRST)
"""The same, counted from the end of the list; for what comes after the page, if that is less."""
NUMBER_OF_SESSIONS = select(owners.c.session_count).where(owners.c.user_id == bindparam("owner"))
"""No row for a user who never had one."""

INSERT_SESSION = insert(sessions)
TOUCH_SESSION = update(sessions).where(IS_SESSION).values(updated_at=bindparam("now"))
RENAME_SESSION = TOUCH_SESSION.values(title=bindparam("new_title"))
SET_TITLE = (
    update(sessions).where(IS_SESSION, sessions.c.title == bindparam("old_title")).values(title=bindparam("new_title"))
)

HOLD_SESSION = (
    update(sessions).where(IS_SESSION).values(message_count=sessions.c.message_count).returning(sessions.c.pk)
)
"""Changes nothing, and so gets in the way of whoever takes the session from its user."""

_GROWN = (sessions.c.pk, sessions.c.message_count, *SESSION_COLUMNS)
GROW_SESSION = TOUCH_SESSION.values(message_count=sessions.c.message_count + 1).returning(*_GROWN)
"""For a message that follows at once, and whose position is the new count."""
SET_MESSAGE_COUNT = (
    update(sessions).where(sessions.c.pk == bindparam("session_pk_")).values(message_count=bindparam("new_count"))
)


def sessions_page(page: int, limit: int, count: int) -> tuple[Select[*tuple[Any, ...]], dict[str, int]]:
    """The statement for a page of so many sessions, from whichever end is nearer, with its `limit` and `offset`."""
    before = min((page - 1) * limit, _FARTHEST_ROW)
    after = count - before - limit
    if before <= max(0, after):
        return SESSIONS_PAGE, {"limit": limit, "offset": before}
    return LATE_SESSIONS_PAGE, {"limit": max(0, limit + min(0, after)), "offset": max(0, after)}


@cache
def insert_new_session(insert_or_nothing: InsertOrUpdate) -> Executable:
    """A session that was not there a moment ago. Where another writer was faster, the transaction has to run again."""
    return (
        insert_or_nothing(sessions)
        .on_conflict_do_nothing(index_elements=[sessions.c.id, sessions.c.user_id])
        .returning(*_GROWN)
    )


@cache
def count_session(insert_or_update: InsertOrUpdate) -> Executable:
    """One session more of `owner`."""
    one = insert_or_update(owners).values(user_id=bindparam("owner"), session_count=1)
    return one.on_conflict_do_update(
        index_elements=[owners.c.user_id], set_={"session_count": owners.c.session_count + 1}
    )


COUNT_SESSIONS_LESS = (
    update(owners)
    .where(owners.c.user_id == bindparam("owner"))
    .values(session_count=owners.c.session_count - bindparam("fewer"))
)
DELETE_OWNER = delete(owners).where(owners.c.user_id == bindparam("owner"))


_WITH_APPROVALS = messages.outerjoin(approvals)
_ON_PAGE = and_(IN_SESSION, messages.c.position.between(bindparam("first"), bindparam("last")))

MESSAGES_PAGE = select(*MESSAGE_COLUMNS).select_from(_WITH_APPROVALS).where(_ON_PAGE).order_by(messages.c.position)
CONTENTS = (
    select(messages.c.pk, messages.c.position, *MESSAGE_COLUMNS)
    .select_from(_WITH_APPROVALS)
    .where(IN_SESSION, messages.c.position <= bindparam("last"))
    .order_by(messages.c.position.desc())
    .limit(bindparam("limit"))
)
"""From the newest to the oldest, for who may have had enough before the end."""
PLACES = (
    select(messages.c.pk, messages.c.position, approvals.c.status, approvals.c.approved_ids)
    .select_from(_WITH_APPROVALS)
    .where(_ON_PAGE)
    .order_by(messages.c.position)
)
"""Which messages there are, and what has become of their approvals. No message is read."""
NUMBER_OF_MESSAGES = select(sessions.c.message_count).where(IS_SESSION)
"""No row when the user has no such session."""

LOCKED_MESSAGE = (
    select(messages.c.pk, messages.c.session_pk, messages.c.position)
    .select_from(messages.join(sessions))
    .where(messages.c.id == bindparam("message"), IS_SESSION)
    .with_for_update(of=sessions)
)
"""The place of a message, with its session, which is kept from other writers."""

LATER_MESSAGES = (
    select(messages.c.pk)
    .where(messages.c.session_pk == bindparam("session_pk_"), messages.c.position > bindparam("last"))
    .order_by(messages.c.position)
)
MOVE_MESSAGE = (
    update(messages).where(messages.c.pk == bindparam("message_pk_")).values(position=bindparam("new_position"))
)

INSERT_MESSAGE = insert(messages)
