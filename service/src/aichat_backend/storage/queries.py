"""The statements on conversations. Each one names the user whose rows it may see."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Delete, Executable, Select, Update, and_, delete, func, select, update

from aichat_backend.chat.conversation import Session
from aichat_backend.storage.rows import MESSAGE_COLUMNS, SESSION_COLUMNS
from aichat_backend.storage.tables import messages, sessions

if TYPE_CHECKING:
    from aichat_backend.storage.engines import InsertOrUpdate

_FARTHEST_ROW = 2**31 - 1
"""The largest offset that every database takes; a page beyond it is empty all the same."""


def session_of_user(user_id: str, session_id: str) -> Select[*tuple[Any, ...]]:
    """One session, with its row number."""
    return select(sessions.c.pk, *SESSION_COLUMNS).where(_is_session(user_id, session_id))


def sessions_page(user_id: str, *, page: int, limit: int) -> Select[*tuple[Any, ...]]:
    """A page of the user's sessions, newest activity first."""
    newest_first = (sessions.c.updated_at.desc(), sessions.c.pk.desc())
    listed = select(*SESSION_COLUMNS).where(sessions.c.user_id == user_id).order_by(*newest_first)
    return _page(listed, page, limit)


def count_sessions(user_id: str) -> Select[int]:
    """How many sessions the user has."""
    return select(func.count()).select_from(sessions).where(sessions.c.user_id == user_id)


def count_messages(user_id: str, session_id: str) -> Select[*tuple[Any, ...]]:
    """How many messages the session has; no row when the user has no such session."""
    counted = select(func.count()).where(messages.c.session_pk == sessions.c.pk).scalar_subquery()
    return select(counted).where(_is_session(user_id, session_id))


def all_messages(user_id: str, session_id: str) -> Select[*tuple[Any, ...]]:
    """The session's messages, oldest first."""
    return _messages(user_id, session_id).order_by(messages.c.pk)


def messages_page(user_id: str, session_id: str, *, page: int, limit: int) -> Select[*tuple[Any, ...]]:
    """A page of the session's messages, oldest first."""
    return _page(all_messages(user_id, session_id), page, limit)


def newest_messages(user_id: str, session_id: str, *, limit: int) -> Select[*tuple[Any, ...]]:
    """The session's last messages, newest first."""
    return _messages(user_id, session_id).order_by(messages.c.pk.desc()).limit(limit)


def one_message(user_id: str, session_id: str, message_id: str) -> Select[int]:
    """The row number of the session's message of that id."""
    return select(messages.c.pk).where(messages.c.id == message_id, _in_session(user_id, session_id))


def insert_or_touch_session(insert: InsertOrUpdate, session: Session) -> Executable:
    """A new session; one that is there already keeps all but the time of its last activity."""
    inserted = insert(sessions).values(
        user_id=session.user_id,
        id=session.id,
        title=session.title,
        created_at=session.created_at,
        updated_at=session.updated_at,
    )
    return inserted.on_conflict_do_update(
        index_elements=[sessions.c.id, sessions.c.user_id], set_={"updated_at": inserted.excluded.updated_at}
    )


def locked_session_pk(user_id: str, session_id: str) -> Select[int]:
    """The session's row number, kept from other writers where they do not come one by one anyway."""
    return _session_pk(user_id, session_id).with_for_update()


def update_session(user_id: str, session_id: str, **values: str | datetime) -> Update:
    """Change a session."""
    return update(sessions).where(_is_session(user_id, session_id)).values(**values)


def delete_session(user_id: str, session_id: str) -> Delete:
    """Remove a session; its messages go with it."""
    return delete(sessions).where(_is_session(user_id, session_id))


def delete_messages(user_id: str, session_id: str) -> Delete:
    """Remove a session's messages."""
    return delete(messages).where(_in_session(user_id, session_id))


def _is_session(user_id: str, session_id: str) -> ColumnElement[bool]:
    return and_(sessions.c.user_id == user_id, sessions.c.id == session_id)


def _session_pk(user_id: str, session_id: str) -> Select[int]:
    return select(sessions.c.pk).where(_is_session(user_id, session_id))


def _in_session(user_id: str, session_id: str) -> ColumnElement[bool]:
    return messages.c.session_pk == _session_pk(user_id, session_id).scalar_subquery()


def _messages(user_id: str, session_id: str) -> Select[*tuple[Any, ...]]:
    return select(*MESSAGE_COLUMNS).where(_in_session(user_id, session_id))


def _page(statement: Select[*tuple[Any, ...]], page: int, limit: int) -> Select[Any]:
    return statement.limit(limit).offset(min((page - 1) * limit, _FARTHEST_ROW))
