"""The counters from which new rows get their numbers: none is used twice, also after a move to another database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, Table, text

from aichat_backend.storage.tables import metadata

_SQLITE_LAST = text("SELECT name, seq FROM sqlite_sequence")
_SQLITE_RAISE = text("UPDATE sqlite_sequence SET seq = max(seq, :number) WHERE name = :name")
_SQLITE_BEGIN = text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :number)")


def last_numbers(connection: Connection) -> Mapping[str, int]:
    """Table → the number that its newest row has, or had; tables that never had any are left out."""
    if connection.dialect.name == "sqlite":
        return {name: number for name, number in connection.execute(_SQLITE_LAST) if number}
    found = {table.name: _last_of_sequence(connection, table) for table in _counted()}
    return {name: number for name, number in found.items() if number is not None}


def go_on_after(connection: Connection, numbers: Mapping[str, int]) -> None:
    """Let new rows have higher numbers than these."""
    before = last_numbers(connection)
    for table in _counted():
        number = max(numbers.get(table.name, 0), before.get(table.name, 0))
        if number:
            _set(connection, table, number, counted_before=table.name in before)


def _counted() -> Iterator[Table]:
    return (table for table in metadata.sorted_tables if table.autoincrement_column is not None)


def _set(connection: Connection, table: Table, number: int, *, counted_before: bool) -> None:
    if connection.dialect.name == "sqlite":
        statement = _SQLITE_RAISE if counted_before else _SQLITE_BEGIN
        connection.execute(statement, {"name": table.name, "number": number})
    else:
        connection.execute(text(f"SELECT setval('{_sequence(table)}', :number)"), {"number": number})


def _last_of_sequence(connection: Connection, table: Table) -> int | None:
    called = text(f"SELECT CASE WHEN is_called THEN last_value END FROM {_sequence(table)}")  # noqa: S608 - our own name
    number: int | None = connection.execute(called).scalar_one()
    return number


def _sequence(table: Table) -> str:
    assert table.autoincrement_column is not None  # noqa: S101
    return f"{table.name}_{table.autoincrement_column.name}_seq"
