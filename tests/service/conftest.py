"""What every room's tests share: a database whose schema is there already."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import settings

from aichat_backend.storage.database import Database

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file to copy: bringing the schema up to date takes longer than most tests."""
    path = tmp_path_factory.mktemp("migrated") / "chat.db"

    async def make() -> None:
        database = await Database.open(f"sqlite:///{path}")
        await database.upgrade()
        await database.close()

    asyncio.run(make())
    return path
