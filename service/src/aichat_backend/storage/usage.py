"""Counted tokens in the database: the `UsageStore` of the running service."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Executable, bindparam, func, select, update

from aichat_backend.chat.parts import Usage
from aichat_backend.chat.usage import DailyUsage
from aichat_backend.storage.clock import Clock, utc_now
from aichat_backend.storage.database import Storage
from aichat_backend.storage.rows import usage_row
from aichat_backend.storage.tables import owners, usage
from aichat_backend.storage.text import storable

if TYPE_CHECKING:
    from aichat_backend.storage.engines import InsertOrUpdate

BY_DAY = (
    select(usage.c.day, usage.c.model, usage.c.input_tokens, usage.c.output_tokens, usage.c.answers)
    .where(usage.c.user_id == bindparam("owner"))
    .order_by(usage.c.day.desc(), usage.c.model.desc())
)
SPENT = select(func.coalesce(func.sum(usage.c.input_tokens + usage.c.output_tokens), 0)).where(
    usage.c.user_id == bindparam("owner"), usage.c.day == bindparam("today")
)

TOUCH_OWNER = update(owners).where(owners.c.user_id == bindparam("owner")).values(session_count=owners.c.session_count)


@cache
def _count(insert_or_update: InsertOrUpdate) -> Executable:
    inserted = insert_or_update(usage)
    counted = (usage.c.input_tokens, usage.c.output_tokens, usage.c.answers)
    return inserted.on_conflict_do_update(
        index_elements=[usage.c.user_id, usage.c.day, usage.c.model],
        set_={column.name: column + inserted.excluded[column.name] for column in counted},
    )


def count_usage(
    connection: Connection,
    insert_or_update: InsertOrUpdate,
    user_id: str,
    model: str,
    usage: Usage,
    now: datetime,
    *,
    answers: int = 1,
) -> None:
    """Count the tokens of one answer on the account of that day, unless the user has been erased since it was asked."""
    # The row in common with whoever erases: of the two, the later one sees what the other did.
    if not connection.execute(TOUCH_OWNER, {"owner": user_id}).rowcount:
        return
    counted = {"user_id": user_id, "day": now.date(), "model": storable(model), "answers": answers, **usage_row(usage)}
    connection.execute(_count(insert_or_update), counted)


class SqlUsageStore:
    """Counted tokens in SQL: a row for each user, day and model."""

    def __init__(self, database: Storage, *, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    async def add(self, user_id: str, model: str, usage: Usage, *, answers: int = 1) -> None:
        """Count tokens on today's account, and the answers they were spent on: none, for what is no answer."""
        now, insert = self._clock(), self._database.insert
        await self._database.write(
            lambda connection: count_usage(connection, insert, user_id, model, usage, now, answers=answers)
        )

    async def by_day(self, user_id: str) -> Sequence[DailyUsage]:
        """All of the user's, newest day first."""

        def read(connection: Connection) -> Sequence[DailyUsage]:
            return tuple(DailyUsage(*row) for row in connection.execute(BY_DAY, {"owner": user_id}))

        return await self._database.read(read)

    async def spent_today(self, user_id: str) -> int:
        """The user's tokens of today, both ways."""
        parameters = {"owner": user_id, "today": self._clock().date()}
        return await self._database.read(lambda connection: int(connection.execute(SPENT, parameters).scalar_one()))
