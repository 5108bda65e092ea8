"""What every room's tests share: a database whose schema is there already."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from aichat_backend.storage.database import Database
from fakes.logs import configure_for_tests
from fakes.postgres import PostgresServer, postgres_server

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")

configure_for_tests()


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file to copy: bringing the schema up to date takes longer than most tests."""
    path = tmp_path_factory.mktemp("migrated") / "chat.db"

    asyncio.run(_migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server for all tests of this process; each makes its own databases on it, and leaves it running."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_postgres(postgres: PostgresServer) -> str:
    """The name of a database to copy."""
    asyncio.run(_migrate(postgres.create("migrated")))
    return "migrated"


async def _migrate(url: str) -> None:
    database = await Database.open(url)
    await database.upgrade()
    await database.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the longest begin first, each on a worker of its own; the others follow as workers get free."""
    items.sort(key=lambda item: item.get_closest_marker("takes_minutes") is None)
