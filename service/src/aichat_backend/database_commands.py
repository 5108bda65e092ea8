"""What an operator does with the database: look at it, bring it up to date, copy it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from time import monotonic
from typing import NamedTuple

from sqlalchemy import Connection

from aichat_backend.storage.copying import copy_all, count_rows, require_current
from aichat_backend.storage.database import Database
from aichat_backend.storage.engines import connect_alone, missing_file, parse
from aichat_backend.storage.errors import CopyRefused, DatabaseInUse, unavailable_when_failing
from aichat_backend.storage.schema import HEAD, SchemaAge, read_revision, schema_age

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
    name, schema, rows = asyncio.run(_look(url))
    say(f"database  {name}")
    say(f"schema    {_in_words(schema)}")
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
    match before.age:
        case SchemaAge.OLDER:
            was = f"at {before.revision}" if before.revision else "not there"
            say(f"{name}: the schema is at {HEAD} now, it was {was}")
        case SchemaAge.CURRENT:
            say(f"{name}: the schema is up to date ({HEAD})")
        case SchemaAge.NEWER:
            say(f"{name}: nothing was changed. The schema is at {_in_words(before)}")


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
        require_current(original, "source")
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


class _Schema(NamedTuple):
    revision: str | None
    age: SchemaAge


def _read_schema(connection: Connection) -> _Schema:
    return _Schema(read_revision(connection), schema_age(connection))


def _in_words(schema: _Schema) -> str:
    match schema.age:
        case SchemaAge.OLDER:
            return f"{schema.revision or 'none'}; `aichat-backend db upgrade`, or the next start, brings it to {HEAD}"
        case SchemaAge.CURRENT:
            return f"{HEAD}, up to date"
        case SchemaAge.NEWER:
            return f"{schema.revision}, made by a newer version, usable by this one (which knows {HEAD})"


async def _look(url: str) -> tuple[str, _Schema, Mapping[str, int]]:
    database = await Database.open(url)
    try:
        schema = await database.read(_read_schema)
        rows = {} if schema.age is SchemaAge.OLDER else await database.read(count_rows)
        return database.name, schema, rows
    finally:
        await database.close()


async def _upgrade(url: str) -> tuple[str, _Schema]:
    """What the database is called, and in which state its schema was."""
    database = await Database.open(url)
    try:
        before = await database.read(_read_schema)
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
