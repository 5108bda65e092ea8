"""Deleting sessions that nobody has used for long: in small transactions, so that no writer waits for long.

A session first becomes nobody's, which takes it from its owner at once and whole; then its messages go, some at a time.
What a process leaves undone, the next one finds.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, String, and_, bindparam, cast, delete, func, select, update

from aichat_backend.chat.audit import AuditAction
from aichat_backend.storage import queries
from aichat_backend.storage.advisory_locks import AdvisoryLock
from aichat_backend.storage.attachments import Removal
from aichat_backend.storage.audit import AuditEntry, note
from aichat_backend.storage.tables import messages, owners, sessions

_NOBODY = ""
_SESSIONS_A_STEP = 50
_MESSAGES_A_STEP = 200

_OLD = sessions.c.updated_at < bindparam("before")
OWNER_OF_OLD = (
    select(owners.c.user_id)
    .where(
        owners.c.user_id > bindparam("after_owner"),
        select(sessions.c.pk).where(sessions.c.user_id == owners.c.user_id, _OLD).exists(),
    )
    .order_by(owners.c.user_id)
    .limit(1)
)
OLD_SESSIONS = select(sessions.c.pk, sessions.c.id).where(queries.OF_OWNER, _OLD).limit(_SESSIONS_A_STEP)
DISOWN = (
    update(sessions)
    .where(sessions.c.pk.in_(bindparam("pks", expanding=True)))
    .values(user_id=_NOBODY, id=cast(sessions.c.pk, String(64)))
)
DISOWNED = select(sessions.c.pk, sessions.c.message_count).where(sessions.c.user_id == _NOBODY).limit(1)
REMOVE_LAST_MESSAGES = Removal(
    and_(messages.c.session_pk == bindparam("session_pk_"), messages.c.position > bindparam("last"))
)
DELETE_DISOWNED = delete(sessions).where(sessions.c.pk == bindparam("session_pk_"))


def is_our_turn(connection: Connection) -> bool:
    """Whether no other process deletes at this moment. SQLite has one writer anyway."""
    if connection.dialect.name == "sqlite":
        return True
    return bool(connection.execute(select(func.pg_try_advisory_xact_lock(AdvisoryLock.RETENTION))).scalar_one())


def next_owner(connection: Connection, after: str, before: datetime) -> str | None:
    """The next user with a session that was not used since then."""
    return connection.execute(OWNER_OF_OLD, {"after_owner": after, "before": before}).scalar_one_or_none()


def disown_some(connection: Connection, owner: str, before: datetime, now: datetime) -> int:
    """Take some sessions from their owner that were not used since then; how many."""
    found = connection.execute(OLD_SESSIONS, {"owner": owner, "before": before}).all()
    if not found or not is_our_turn(connection):
        return 0
    connection.execute(DISOWN, {"pks": [session.pk for session in found]})
    connection.execute(queries.COUNT_SESSIONS_LESS, {"owner": owner, "fewer": len(found)})
    expired = (
        AuditEntry(at=now, action=AuditAction.SESSION_EXPIRED, user_id=owner, session_id=session.id)
        for session in found
    )
    note(connection, *expired)
    return len(found)


def remove_some(connection: Connection) -> int | None:
    """Remove some messages of a session that is nobody's, it itself with the last; how many. None: there is none."""
    session = connection.execute(DISOWNED).one_or_none() if is_our_turn(connection) else None
    if session is None:
        return None
    left = max(0, session.message_count - _MESSAGES_A_STEP)
    named = {"session_pk_": session.pk}
    REMOVE_LAST_MESSAGES.run(connection, {**named, "last": left})
    if left:
        connection.execute(queries.SET_MESSAGE_COUNT, {**named, "new_count": left})
    else:
        connection.execute(DELETE_DISOWNED, named)
    return int(session.message_count - left)
