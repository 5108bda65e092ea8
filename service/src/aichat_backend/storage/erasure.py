"""Forgetting a user: first there is nothing of the user's any more, then nothing of it is left."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from sqlalchemy import Connection, bindparam, delete

from aichat_backend.chat.audit import AuditAction
from aichat_backend.chat.conversation import random_id
from aichat_backend.storage import queries
from aichat_backend.storage.attachments import drop_stale_uploads
from aichat_backend.storage.audit import AuditEntry, note, take_out_some
from aichat_backend.storage.database import Storage
from aichat_backend.storage.leaving import DISOWN_ALL, disown, nobody_after, remove_left
from aichat_backend.storage.tables import usage

DELETE_USAGE = delete(usage).where(usage.c.user_id == bindparam("owner"))


async def take_all(database: Storage, user_id: str, now: datetime) -> None:
    """Take all from the user at once; the audit trail, which does not tell more of a user than before, in steps."""
    alias = f"erased-{random_id()}"
    while await database.write(partial(take_out_some, user_id=user_id, alias=alias)):
        pass
    await database.write(partial(_take_all, user_id=user_id, alias=alias, now=now))


async def erase_left(database: Storage, user_id: str) -> None:
    """Remove what the user has left, also from the database's files."""
    await remove_left(database, nobody_after(user_id))
    await database.forget()


def _take_all(connection: Connection, user_id: str, alias: str, now: datetime) -> None:
    """What somebody uploaded and never sent belongs to nobody; it goes too when it has waited for long enough."""
    drop_stale_uploads(connection, now)
    disown(connection, DISOWN_ALL, user_id)
    for statement in (queries.DELETE_OWNER, DELETE_USAGE):
        connection.execute(statement, {"owner": user_id})
    while take_out_some(connection, user_id, alias):
        pass
    note(connection, AuditEntry(at=now, action=AuditAction.USER_ERASED, user_id=alias))
