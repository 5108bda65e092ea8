"""Deleting entries of the audit trail that are older than an operator keeps them: in small transactions."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select

from aichat_backend.storage.retention import is_our_turn
from aichat_backend.storage.tables import audit
from aichat_backend.storage.types import Instant

_ENTRIES_A_STEP = 1000

OLD_ENTRIES = (
    select(audit.c.pk)
    .where(audit.c.at < bindparam("before", type_=Instant()))
    .order_by(audit.c.at, audit.c.pk)
    .limit(bindparam("limit"))
)
DELETE_ENTRIES = delete(audit).where(audit.c.pk.in_(bindparam("pks", expanding=True)))


def remove_some_entries(connection: Connection, before: datetime) -> int:
    """Delete some entries on what was done before then, the oldest; how many."""
    old = connection.execute(OLD_ENTRIES, {"before": before, "limit": _ENTRIES_A_STEP}).scalars().all()
    if not old or not is_our_turn(connection):
        return 0
    connection.execute(DELETE_ENTRIES, {"pks": old})
    return len(old)
