"""Copying all there is from one database to another, of whatever kind: in batches, checked row by row.

A copy can be broken off at any moment and begun again. What is in the target already must be in the source as well,
to the letter; then what is missing is added, and in the end both are read whole and compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, LargeBinary, Row, Select, Table, bindparam, func, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from aichat_backend.storage.errors import CopyFailed, CopyRefused
from aichat_backend.storage.row_numbers import go_on_after, last_numbers
from aichat_backend.storage.schema import HEAD, SchemaAge, read_revision, schema_age
from aichat_backend.storage.tables import metadata

if TYPE_CHECKING:
    from aichat_backend.storage.engines import InsertOrUpdate

BATCH = 500
BATCH_OF_CONTENTS = 4
"""Rows that hold a whole file each are moved a few at a time."""

_INSERTS: Mapping[str, InsertOrUpdate] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_DIGESTS = 2**256

AnyRow = Row[*tuple[Any, ...]]
Report = Callable[[str, int, int], None]
"""Told what is being done, and how many of how many rows that is done for."""


class Content(NamedTuple):
    """What a table holds, in whatever order."""

    rows: int
    digest: int
    """The sum of the rows' hashes."""


@dataclass(frozen=True)
class _Paged:
    """Reads a table in the order of its key, batch by batch."""

    table: Table

    @property
    def size(self) -> int:
        contents = any(isinstance(column.type, LargeBinary) for column in self.table.columns)
        return BATCH_OF_CONTENTS if contents else BATCH

    @property
    def key(self) -> Sequence[Any]:
        return tuple(self.table.primary_key.columns)

    def batches(self, connection: Connection) -> Iterator[Sequence[AnyRow]]:
        first = select(self.table).order_by(*self.key).limit(self.size)
        after = tuple_(*(bindparam(f"after_{column.name}", type_=column.type) for column in self.key))
        following = first.where(tuple_(*self.key) > after)
        rows = connection.execute(first).all()
        while rows:
            yield rows
            last = {f"after_{column.name}": rows[-1]._asdict()[column.name] for column in self.key}
            rows = connection.execute(following, last).all() if len(rows) == self.size else []

    def same_keys(self) -> Select[*tuple[Any, ...]]:
        """The rows that have one of the keys `keys`."""
        return select(self.table).where(tuple_(*self.key).in_(bindparam("keys", expanding=True)))

    def key_of(self, row: AnyRow) -> tuple[Any, ...]:
        values = row._asdict()
        return tuple(values[column.name] for column in self.key)


def copy_all(source: Connection, target: Connection, report: Report) -> Mapping[str, Content]:
    """Copy every table; both databases are ours alone meanwhile. What each table holds then, in both.

    Raises:
        CopyRefused: the target holds something else, or a schema is not this version's.
        CopyFailed: the databases are not the same in the end.
    """
    require_current(source, "source")
    require_current(target, "target")
    for table in metadata.sorted_tables:
        _require_part_of(source, target, table, report)
    for table in metadata.sorted_tables:
        _add_what_is_missing(source, target, table, report)
    target.exec_driver_sql("BEGIN")
    go_on_after(target, last_numbers(source))
    target.commit()
    return {table.name: _verified(source, target, table, report) for table in metadata.sorted_tables}


def require_current(connection: Connection, which: str) -> None:
    """Let nothing be copied from or to a schema with tables or columns that are not this version's.

    Raises:
        CopyRefused: it is an older or a newer version's.
        NewerDatabase: it is a newer version's that this one could not even use.
    """
    match schema_age(connection):
        case SchemaAge.OLDER:
            raise CopyRefused(
                f"The schema of the {which} is not up to date. Run `aichat-backend db upgrade` on it first."
            )
        case SchemaAge.NEWER:
            raise CopyRefused(
                f"The schema of the {which} was made by a newer version of aichat-backend: it is at"
                f" {read_revision(connection)!r}, and this version, which knows no later one than {HEAD!r}, would leave"
                " out what is new. Copy with the newer version."
            )


def count_rows(connection: Connection) -> Mapping[str, int]:
    """How many rows each table has."""
    return {table.name: _count(connection, table) for table in metadata.sorted_tables}


def _count(connection: Connection, table: Table) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


def _require_part_of(source: Connection, target: Connection, table: Table, report: Report) -> None:
    paged, total, done = _Paged(table), _count(target, table), 0
    lookup = paged.same_keys()
    for rows in paged.batches(target):
        found = source.execute(lookup, {"keys": [paged.key_of(row) for row in rows]})
        if not {tuple(row) for row in rows} <= {tuple(row) for row in found}:
            raise CopyRefused(
                f"The target holds something else: not every row of its table {table.name!r} is in the source. Name an"
                " empty database, or empty this one."
            )
        done += len(rows)
        report(f"looking through {table.name} of the target", done, total)


def _add_what_is_missing(source: Connection, target: Connection, table: Table, report: Report) -> None:
    total, done = _count(source, table), 0
    if _count(target, table) == total:
        return
    insert = _INSERTS[target.dialect.name](table).on_conflict_do_nothing()
    for rows in _Paged(table).batches(source):
        target.exec_driver_sql("BEGIN")
        target.execute(insert, [row._asdict() for row in rows])
        target.commit()
        done += len(rows)
        report(f"copying {table.name}", done, total)


def _verified(source: Connection, target: Connection, table: Table, report: Report) -> Content:
    was, became = (
        _content(_reported(connection, table, f"reading {table.name} of the {which}", report))
        for which, connection in (("source", source), ("target", target))
    )
    if was != became:
        raise CopyFailed(
            f"The table {table.name!r} has {was.rows} rows in the source and {became.rows} in the target, or they"
            " differ. Empty the target, and copy again."
        )
    return was


def _reported(connection: Connection, table: Table, doing: str, report: Report) -> Iterator[AnyRow]:
    total, done = _count(connection, table), 0
    for rows in _Paged(table).batches(connection):
        yield from rows
        done += len(rows)
        report(doing, done, total)


def _content(rows: Iterable[AnyRow]) -> Content:
    count = digest = 0
    for row in rows:
        count += 1
        digest += int.from_bytes(_hash(row))
    return Content(count, digest % _DIGESTS)


def _hash(row: AnyRow) -> bytes:
    # A file's bytes by their own hash: written out as text they would take four times their room.
    values = tuple(hashlib.sha256(value).digest() if isinstance(value, bytes) else value for value in row)
    return hashlib.sha256(repr(values).encode()).digest()
