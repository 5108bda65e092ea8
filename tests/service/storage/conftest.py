"""A real database for each test, of each kind, and an event loop that tells when it is blocked."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx

from aichat_backend.storage.database import Database
from aichat_backend.storage.files import SqlFileStore
from aichat_backend.storage.pins import SqlToolPins
from aichat_backend.storage.policies import SqlPolicyTrail
from aichat_backend.storage.usage import SqlUsageStore
from fakes.clock import SteppingClock
from fakes.databases import POSTGRES, SQLITE
from fakes.postgres import PostgresServer
from fakes.stores import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat.db"


@pytest.fixture(params=[SQLITE, POSTGRES])
def kind(request: pytest.FixtureRequest) -> str:
    """Which database the test runs on."""
    return str(request.param)


@pytest.fixture
def new_url(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[], str]:
    """Names a database with nothing in it, another one each time."""
    if kind == "sqlite":
        numbers = count()
        return lambda: f"sqlite:///{tmp_path}/{next(numbers)}.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create


@pytest.fixture
def empty_url(new_url: Callable[[], str]) -> str:
    """The URL of a database with nothing in it."""
    return new_url()


@pytest.fixture
def url(kind: str, path: Path, request: pytest.FixtureRequest) -> str:
    """The URL of a database with our tables and nothing in them."""
    if kind == "sqlite":
        shutil.copyfile(request.getfixturevalue("migrated_database"), path)
        return f"sqlite:///{path}"
    template: str = request.getfixturevalue("migrated_postgres")
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create(template=template)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = await Database.open(url)
    await database.upgrade()
    yield database
    await database.close()


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


@pytest.fixture(autouse=True)
def _the_event_loop_stays_free() -> Iterator[None]:
    with blockbuster_ctx("aichat_backend"):
        yield


@pytest.fixture
def store(database: Database, clock: SteppingClock) -> Store:
    return Store(database, clock=clock)


@pytest.fixture
def files(database: Database, clock: SteppingClock) -> SqlFileStore:
    return SqlFileStore(database, clock=clock)


@pytest.fixture
def usage(database: Database, clock: SteppingClock) -> SqlUsageStore:
    return SqlUsageStore(database, clock=clock)


@pytest.fixture
def pins(database: Database) -> SqlToolPins:
    return SqlToolPins(database)


@pytest.fixture
def policies(database: Database) -> SqlPolicyTrail:
    return SqlPolicyTrail(database)
