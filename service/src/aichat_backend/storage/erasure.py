"""Forgetting a user."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, delete

from aichat_backend.storage import queries
from aichat_backend.storage.attachments import REMOVE_ALL_OF_OWNER, drop_stale_uploads
from aichat_backend.storage.audit import forget_user
from aichat_backend.storage.tables import usage

DELETE_USAGE = delete(usage).where(usage.c.user_id == bindparam("owner"))


def erase_user(connection: Connection, user_id: str, now: datetime) -> None:
    """Remove every row of the user, and the contents of files that nobody else has; the audit trail forgets who it was.

    What somebody uploaded and never sent belongs to nobody; it goes too when it has waited for long enough.
    """
    parameters = {"owner": user_id}
    drop_stale_uploads(connection, now)
    REMOVE_ALL_OF_OWNER.run(connection, parameters)
    forget_user(connection, user_id, now)
    for statement in (queries.DELETE_SESSIONS, queries.DELETE_OWNER, DELETE_USAGE):
        connection.execute(statement, parameters)
