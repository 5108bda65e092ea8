"""The schema and its history."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from aichat_backend.storage.database import Database
from aichat_backend.storage.errors import UpgradeFailed
from aichat_backend.storage.schema import HEAD, REVISIONS, migration_settings
from aichat_backend.storage.tables import metadata
from fakes.databases import ON_POSTGRES, ON_SQLITE
from fakes.postgres import PostgresServer
from fakes.processes import STARTS_PROCESSES
from fakes.sql import change, column

CHILD = Path(__file__).with_name("child.py")


def test_the_program_knows_every_migration_in_order() -> None:
    history = ScriptDirectory.from_config(migration_settings()).walk_revisions()

    assert tuple(script.revision for script in history)[::-1] == REVISIONS


def test_each_migration_declares_which_programs_can_use_what_it_makes() -> None:
    history = ScriptDirectory.from_config(migration_settings()).walk_revisions()
    declared = {script.revision: getattr(script.module, "usable_from", None) for script in history}
    wrong = {
        revision: usable_from
        for revision, usable_from in declared.items()
        if usable_from not in REVISIONS[: REVISIONS.index(revision) + 1]
    }

    assert wrong == {}, "each needs `usable_from`: see storage/migrations/versions/__init__.py"
    # A program that one migration broke is not mended by the next.
    assert [declared[revision] for revision in REVISIONS] == sorted(filter(None, declared.values()))


async def test_a_schema_has_with_it_what_its_migration_declares(database: Database) -> None:
    latest = ScriptDirectory.from_config(migration_settings()).get_revision(HEAD)

    assert await column(database, "SELECT usable_from FROM schema_compatibility") == [latest.module.usable_from]


async def test_the_migrations_lead_to_the_tables_of_the_program(database: Database) -> None:
    def differences(connection: Connection) -> object:
        options = {"compare_server_default": True, "include_name": _is_of_the_tables}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    assert await database.read(differences) == []


def _is_of_the_tables(name: str | None, _kind: str, _parents: object) -> bool:
    """All but the index of words, which each database makes in its own way, and what tells of the schema itself."""
    return not str(name).startswith(
        ("search_index", "search_removals", "ix_search_documents_vector", "schema_compatibility")
    )


@ON_SQLITE
async def test_the_migrations_make_the_very_same_statements_as_the_tables(database: Database, tmp_path: Path) -> None:
    fresh = await Database.open(f"sqlite:///{tmp_path}/fresh.db")
    await fresh.write(metadata.create_all)

    assert await _definitions(database) - OF_THE_SCHEMA_ITSELF == await _definitions(fresh)
    await fresh.close()


@ON_POSTGRES
async def test_the_migrations_make_on_a_server_what_the_tables_make(
    database: Database, postgres: PostgresServer
) -> None:
    fresh = await Database.open(postgres.create())
    await fresh.write(metadata.create_all)

    made, expected = [set(await column(one, DEFINED)) for one in (database, fresh)]

    assert {line for line in made if "schema_compatibility" not in line} == expected
    assert any("CREATE INDEX" in line for line in made)
    await fresh.close()


DEFINED = """
    SELECT concat_ws(' ', tables.relname, attname, format_type(atttypid, atttypmod), attnotnull, attidentity,
                     pg_get_expr(adbin, adrelid))
    FROM pg_attribute JOIN pg_class AS tables ON attrelid = tables.oid
    LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum)
    WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped AND relname NOT LIKE 'alembic%'
    UNION ALL
    SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND conname NOT LIKE 'alembic%'
    UNION ALL
    SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT LIKE 'alembic%'
""".replace("::", "\\:\\:")
"""Columns, constraints and indexes, one line each."""


OF_THE_SCHEMA_ITSELF = {
    "CREATE TABLE schema_compatibility (",
    "usable_from VARCHAR(32) NOT NULL",
    "CONSTRAINT pk_schema_compatibility PRIMARY KEY (usable_from)",
}


async def _definitions(database: Database) -> set[str]:
    """What the database says of its tables and indexes, one line a column or constraint, in any order."""
    found = await column(
        database, "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND tbl_name != 'alembic_version'"
    )
    return {line.strip().rstrip(",").replace('"', "") for statement in found for line in statement.splitlines()}


@ON_SQLITE
async def test_upgrading_again_changes_nothing(database: Database) -> None:
    before = await column(database, "PRAGMA schema_version")
    await database.upgrade()

    assert await column(database, "PRAGMA schema_version") == before


async def test_an_upgrade_that_fails_leaves_the_schema_as_it_was(empty_url: str) -> None:
    database = await Database.open(empty_url)
    await change(database, "CREATE TABLE messages (something INTEGER)")

    with pytest.raises(UpgradeFailed, match=r'"?messages"? already exists'):
        await database.upgrade()

    assert await database.read(lambda connection: inspect(connection).get_table_names()) == ["messages"]
    await database.close()


@STARTS_PROCESSES
def test_alembic_is_loaded_only_when_there_is_something_to_upgrade(empty_url: str) -> None:
    def loads_alembic() -> str:
        program = "import asyncio, child, sys; asyncio.run(child.upgrade(sys.argv[1])); print('alembic' in sys.modules)"
        command = [sys.executable, "-c", program, empty_url]
        return subprocess.run(command, cwd=CHILD.parent, check=True, capture_output=True, text=True, timeout=60).stdout

    assert [loads_alembic(), loads_alembic()] == ["True\n", "False\n"]


@STARTS_PROCESSES
def test_processes_that_start_together_upgrade_once_and_all_succeed(new_url: Callable[[], str]) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, CHILD, "upgrade"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        for _ in range(3)
    ]
    try:
        for child in children:
            assert child.stdout
            assert child.stdout.readline() == "ready\n"
        for _ in range(8):
            url = new_url()
            for child in children:
                assert child.stdin
                child.stdin.write(f"{url}\n")
            assert [child.stdout.readline() for child in children if child.stdout] == [f"{HEAD}\n"] * 3
    finally:
        for child in children:
            child.communicate(timeout=30)
    assert [child.returncode for child in children] == [0] * 3
