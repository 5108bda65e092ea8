"""On PostgreSQL too, an index leads to the rows of every statement, and lists come in its order."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from aichat_backend.storage.database import Database
from fakes.databases import ON_POSTGRES
from fakes.sql import change
from storage.test_query_plans import MANY_MESSAGES, MANY_SESSIONS, PARAMETERS, STATEMENTS, Statement

pytestmark = [pytest.mark.thorough, ON_POSTGRES]

BY_INDEX = {"Index Scan", "Index Only Scan", "Bitmap Index Scan"}


@pytest.mark.parametrize("name", STATEMENTS)
async def test_an_index_can_lead_to_the_rows(database: Database, name: str) -> None:
    await change(database, MANY_SESSIONS, MANY_MESSAGES)

    # As on a large database: the few rows here would rather be read through.
    plan = await database.write(partial(_plan, statement=STATEMENTS[name][0], settings=("enable_seqscan = off",)))

    assert not [node for node in plan if node["Node Type"] == "Seq Scan"]
    assert all("Index Cond" in node for node in plan if node["Node Type"] in BY_INDEX)
    assert any(node["Node Type"] in BY_INDEX for node in plan)


@pytest.mark.parametrize(
    "name",
    [
        "sessions page",
        "messages page",
        "newest messages",
        "places of messages",
        "one session",
        "one message",
        "number of messages",
    ],
)
async def test_with_many_rows_the_index_is_what_the_server_chooses(database: Database, name: str) -> None:
    await change(database, MANY_SESSIONS, MANY_MESSAGES, "ANALYZE")

    plan = await database.write(partial(_plan, statement=STATEMENTS[name][0], settings=()))

    read = {
        node["Relation Name"]: node["Node Type"]
        for node in plan
        if node["Node Type"].endswith("Scan") and "Relation Name" in node
    }
    assert read.get("sessions", "Index Scan") in {*BY_INDEX, "Bitmap Heap Scan"}
    assert read.get("messages", "Index Scan") in {*BY_INDEX, "Bitmap Heap Scan"}


def _plan(connection: Connection, statement: Statement, settings: tuple[str, ...]) -> list[dict[str, Any]]:
    """The nodes of the plan, the outermost first."""
    for setting in settings:
        connection.execute(text(f"SET LOCAL {setting}"))
    ran: list[tuple[str, Any]] = []

    def keep(_connection: object, _cursor: object, sql: str, parameters: Any, *_: object) -> None:
        ran.append((sql, parameters))

    event.listen(connection, "before_cursor_execute", keep)
    needed = statement.compile(dialect=connection.dialect).binds
    connection.execute(
        statement, {name: PARAMETERS.get(name, "s") for name, bind in needed.items() if bind.value is None}
    )
    event.remove(connection, "before_cursor_execute", keep)
    sql, parameters = ran[0]
    ((explained,),) = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {sql}", parameters)
    return list(_nodes(explained[0]["Plan"]))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)
