"""Rows come and go by index: those that they refer to or that refer to them, and those that are there already."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from sqlalchemy import (
    Boolean,
    Connection,
    Date,
    Delete,
    Executable,
    Insert,
    Integer,
    LargeBinary,
    Update,
    event,
    inspect,
    text,
)
from sqlalchemy.types import TypeEngine

from aichat_backend.storage import approvals, attachments, audit, files, pins, policies, queries, runs, search, usage
from aichat_backend.storage.database import Database
from aichat_backend.storage.tables import metadata
from aichat_backend.storage.types import Instant
from fakes.databases import ON_POSTGRES, ON_SQLITE
from fakes.sql import change
from storage.test_query_plans import PARAMETERS, STATEMENTS

if TYPE_CHECKING:
    from aichat_backend.storage.engines import InsertOrUpdate

NOW = datetime.now(UTC)


class Upsert(NamedTuple):
    """A statement that knows what to do when its row is there, and the unique indexes that tell it so."""

    made: Callable[[InsertOrUpdate], Executable]
    on_sqlite: str
    on_postgres: str


UPSERTS = {
    "new session": Upsert(queries.insert_new_session, "sqlite_autoindex_sessions_1", "uq_sessions_id_user_id"),
    "count session": Upsert(queries.count_session, "sqlite_autoindex_owners_1", "pk_owners"),
    "count usage": Upsert(usage._count, "sqlite_autoindex_usage_1", "pk_usage"),
    "begin run": Upsert(runs._begin, "runs", "pk_runs"),
    "contents": Upsert(files._insert_contents, "sqlite_autoindex_blobs_1", "pk_blobs"),
    "pins": Upsert(pins._pin, "sqlite_autoindex_tool_pins_1", "pk_tool_pins"),
    "policies": Upsert(policies._put, "sqlite_autoindex_server_policies_1", "pk_server_policies"),
}
INSERTS: dict[str, Insert] = {
    "session": queries.INSERT_SESSION,
    "message": queries.INSERT_MESSAGE,
    "words": search._INSERT,
    "approval": approvals._INSERT,
    "attachment": attachments._INSERT,
    "upload": files._INSERT_UPLOAD,
    "audit": audit._INSERT,
}
CHANGES = {name: statement for name, (statement, _plan) in STATEMENTS.items() if isinstance(statement, Update | Delete)}

OF_ONE_ROW = {"search_removals", "sqlite_sequence"}
"""Tables that are read through: the first has one row, the other one for each table."""


async def test_an_index_leads_from_every_row_to_those_that_refer_to_it(database: Database) -> None:
    def without_index(connection: Connection) -> Iterator[str]:
        inspector = inspect(connection)
        for table in metadata.tables:
            indexes = [
                inspector.get_pk_constraint(table)["constrained_columns"],
                *(unique["column_names"] for unique in inspector.get_unique_constraints(table)),
                *(index["column_names"] for index in inspector.get_indexes(table)),
            ]
            for key in inspector.get_foreign_keys(table):
                columns = key["constrained_columns"]
                if not any(index[: len(columns)] == columns for index in indexes):
                    yield f"{table} {columns}"

    assert await database.read(lambda connection: list(without_index(connection))) == []


@ON_SQLITE
@pytest.mark.parametrize("name", CHANGES)
async def test_what_changes_rows_reads_through_no_table_not_even_in_cascades_and_triggers(
    database: Database, name: str
) -> None:
    program = await database.write(partial(_program, statement=CHANGES[name]))

    assert set(_read_through(program)) <= OF_ONE_ROW


@ON_SQLITE
@pytest.mark.parametrize("name", [*INSERTS, *UPSERTS])
async def test_what_adds_rows_reads_through_no_table_either(database: Database, name: str) -> None:
    statement = INSERTS[name] if name in INSERTS else UPSERTS[name].made(database.insert)

    program = await database.write(partial(_program, statement=statement))

    assert set(_read_through(program)) <= OF_ONE_ROW


@ON_SQLITE
async def test_a_cascade_without_index_would_be_seen(database: Database) -> None:
    await change(database, "DROP INDEX ix_search_documents_message_pk")

    program = await database.write(partial(_program, statement=CHANGES["last messages"]))

    assert "search_documents" in set(_read_through(program))


@ON_SQLITE
@pytest.mark.parametrize("name", UPSERTS)
async def test_on_sqlite_a_row_that_is_there_is_found_by_the_index_that_was_meant(
    database: Database, name: str
) -> None:
    upsert = UPSERTS[name]

    program = await database.write(partial(_program, statement=upsert.made(database.insert)))

    assert upsert.on_sqlite in {step.on for step in program if step.does in ("NoConflict", "NotExists")}


@ON_POSTGRES
@pytest.mark.thorough
@pytest.mark.parametrize("name", UPSERTS)
async def test_on_postgres_a_row_that_is_there_is_found_by_the_index_that_was_meant(
    database: Database, name: str
) -> None:
    upsert = UPSERTS[name]

    def explain(connection: Connection) -> Mapping[str, Any]:
        sql, parameters = _captured(connection, upsert.made(database.insert))
        ((explained,),) = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {sql}", parameters)
        plan: Mapping[str, Any] = explained[0]["Plan"]
        return plan

    plan = await database.write(explain)

    assert plan["Conflict Arbiter Indexes"] == [upsert.on_postgres]


class Step(NamedTuple):
    """A step of a program that SQLite makes of a statement."""

    does: str
    on: str | None
    """The table or index, where it is one of the database's."""


def _program(connection: Connection, statement: Executable) -> Sequence[Step]:
    """The program of a statement, with those of its cascades and triggers."""
    names = dict(connection.execute(text("SELECT rootpage, name FROM sqlite_master WHERE rootpage > 0")).all())
    sql, parameters = _captured(connection, statement)
    steps: list[Step] = []
    opened: dict[int, str] = {}
    for row in connection.exec_driver_sql(f"EXPLAIN {sql}", parameters):
        if row.addr == 0:
            # From here on it is another one's.
            opened = {}
        if row.opcode in ("OpenRead", "OpenWrite"):
            opened[row.p1] = names.get(row.p2, "sqlite_master")
        steps.append(Step(row.opcode, opened.get(row.p1)))
    return steps


def _read_through(program: Sequence[Step]) -> Iterator[str | None]:
    # From one end of an index up to a bound is a range.
    bounded = {step.on for step in program if step.does in ("IdxGE", "IdxGT", "IdxLE", "IdxLT")}
    return (step.on for step in program if step.does in ("Rewind", "Last") and step.on not in {None, *bounded})


class _CapturedError(Exception):
    """What was to be executed."""


def _captured(connection: Connection, statement: Executable) -> tuple[str, Any]:
    """The statement as it goes to the database, which never gets it."""

    def keep(_connection: object, _cursor: object, sql: str, parameters: Any, *_: object) -> None:
        raise _CapturedError(sql, parameters)

    event.listen(connection, "before_cursor_execute", keep)
    try:
        connection.execute(statement, _parameters(connection, statement))
    except _CapturedError as captured:
        sql, parameters = captured.args
        return str(sql), parameters
    finally:
        event.remove(connection, "before_cursor_execute", keep)
    raise AssertionError(f"nothing was executed: {statement}")


def _parameters(connection: Connection, statement: Executable) -> dict[str, Any]:
    given = {name for name, bind in statement.compile(dialect=connection.dialect).binds.items() if bind.value is None}
    values: dict[str, Any] = dict(PARAMETERS)
    if isinstance(statement, Insert):
        values |= {column.name: _some(column.type) for column in statement.table.columns}
    return {name: values.get(name, "s") for name in given}


def _some(of: TypeEngine[Any]) -> object:
    match of:
        case Instant():
            return NOW
        case Date():
            return NOW.date()
        case LargeBinary():
            return b"s"
        case Integer():
            return 1
        case Boolean():
            return True
        case _:
            return "s"
