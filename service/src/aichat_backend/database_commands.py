"""What an operator does with the database: look at it, bring it up to date, copy it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from time import monotonic

from aichat_backend.storage.copying import copy_all, count_rows
from aichat_backend.storage.database import Database
from aichat_backend.storage.engines import connect_alone, missing_file, parse
from aichat_backend.storage.errors import CopyRefused, DatabaseInUse, unavailable_when_failing
from aichat_backend.storage.schema import HEAD, is_current, read_revision

Say = Callable[[str], None]
"""Shows the operator a line."""

_BETWEEN_REPORTS = 1.0


def status(url: str, say: Say) -> None:
    """Tell which database it is, in which state, whether it is used, and what is in it.

    Raises:
        StorageError: it cannot be used; the message says what to do.
        Unavailable: it fails.
    """
    file = missing_file(url)
    if file is not None:
        say(f"database  {file} is not there yet: the service makes it when it starts for the first time")
        return
    name, revision, rows = asyncio.run(_look(url))
    say(f"database  {name}")
    if revision == HEAD:
        say(f"schema    {HEAD}, up to date")
    else:
        say(f"schema    {revision or 'none'}; `aichat-backend db upgrade`, or the next start, brings it to {HEAD}")
    say(f"in use    {'by a running service' if _is_in_use(url) else 'no'}")
    for table, count in rows.items():
        say(f"rows      {count:>11,}  {table}")


def upgrade(url: str, say: Say) -> None:
    """Bring the schema up to date.

    Raises:
        StorageError: that cannot be done; the message says what to do.
        Unavailable: the database fails.
    """
    name, before = asyncio.run(_upgrade(url))
    if before == HEAD:
        say(f"{name}: the schema is up to date ({HEAD})")
    else:
        say(f"{name}: the schema is at {HEAD} now, it was {f'at {before}' if before else 'not there'}")


def copy(source: str, target: str, say: Say) -> None:
    """Copy all there is in the source to the target, which may be empty or have a part of it already.

    Raises:
        StorageError: the databases are not such that it can be done; the message says what to do.
        Unavailable: one of them fails; what was copied until then need not be copied again.
    """
    file = missing_file(source)
    if file is not None:
        raise CopyRefused(f"There is nothing to copy: {file} is not there.")
    if parse(source) == parse(target):
        raise CopyRefused("The database cannot be copied to itself. Name another one.")
    # The source first: nothing is changed anywhere while a service uses it.
    with unavailable_when_failing(), connect_alone(source) as original:
        name, _before = asyncio.run(_upgrade(target))
        with connect_alone(target) as duplicate:
            contents = copy_all(original, duplicate, _Progress(say))
    for table, content in contents.items():
        say(f"same      {content.rows:>11,}  {table}")
    say(f"Everything is in {name} as well, row for row the same. The source was not changed.")


class _Progress:
    """Tells of the first and the last rows of each step, and once a second of those between."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._told = 0.0

    def __call__(self, doing: str, done: int, total: int) -> None:
        now = monotonic()
        if done >= total or now - self._told >= _BETWEEN_REPORTS:
            self._told = now
            self._say(f"{doing}: {done:,} of {total:,}")


async def _look(url: str) -> tuple[str, str | None, Mapping[str, int]]:
    database = await Database.open(url)
    try:
        revision = await database.read(read_revision)
        rows = await database.read(count_rows) if await database.read(is_current) else {}
        return database.name, revision, rows
    finally:
        await database.close()


async def _upgrade(url: str) -> tuple[str, str | None]:
    """What the database is called, and in which state its schema was."""
    database = await Database.open(url)
    try:
        before = await database.read(read_revision)
        await database.upgrade()
        return database.name, before
    finally:
        await database.close()


def _is_in_use(url: str) -> bool:
    try:
        with connect_alone(url):
            return False
    except DatabaseInUse:
        return True
