"""Which sessions nobody has used for long; from there they go the way of all: see `leaving`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, func, select

from aichat_backend.chat.audit import AuditAction
from aichat_backend.storage import queries
from aichat_backend.storage.advisory_locks import AdvisoryLock
from aichat_backend.storage.audit import AuditEntry, note
from aichat_backend.storage.leaving import DISOWN_SOME, disown
from aichat_backend.storage.tables import owners, sessions

_SESSIONS_A_STEP = 50

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


def is_our_turn(connection: Connection) -> bool:
    """Whether no other process takes what is old at this moment. SQLite has one writer anyway."""
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
    disown(connection, DISOWN_SOME, owner, pks=[session.pk for session in found])
    expired = (
        AuditEntry(at=now, action=AuditAction.SESSION_EXPIRED, user_id=owner, session_id=session.id)
        for session in found
    )
    note(connection, *expired)
    return len(found)
