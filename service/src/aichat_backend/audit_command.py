"""What an operator reads of the audit trail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
from sqlalchemy import Connection

from aichat_backend.storage.audit import read_entries
from aichat_backend.storage.database import Database
from aichat_backend.storage.engines import missing_file
from aichat_backend.storage.errors import UpgradeNeeded
from aichat_backend.storage.schema import SchemaAge, schema_age


def tell(url: str, say: Callable[[str], None], *, since: datetime | None, user_id: str | None) -> None:
    """Say each entry as a line of JSON, oldest first.

    Raises:
        StorageError: the database cannot be used; the message says what to do.
        Unavailable: it fails.
    """
    if missing_file(url) is None:
        asyncio.run(_tell(url, say, since, user_id))


async def _tell(url: str, say: Callable[[str], None], since: datetime | None, user_id: str | None) -> None:
    database = await Database.open(url)

    def read(connection: Connection) -> None:
        if schema_age(connection) is SchemaAge.OLDER:
            raise UpgradeNeeded("The database is of an older version: run `aichat-backend db upgrade`, or the service.")
        for entry in read_entries(connection, since=since, user_id=user_id):
            say(msgspec.json.encode(entry).decode())

    try:
        await database.read(read)
    finally:
        await database.close()


def moment(text: str) -> datetime:
    """A date, or a date with a time, as an operator writes it; in UTC where no zone is given.

    Raises:
        ValueError: it is neither.
    """
    given = datetime.fromisoformat(text)
    return given if given.tzinfo is not None else given.replace(tzinfo=UTC)
