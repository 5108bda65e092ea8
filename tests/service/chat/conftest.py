"""An assistant on a real database and a turn without one, asking a provider that waits for the test."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aichat_backend.app import Stores
from aichat_backend.chat.assistant import Assistant
from fakes.assistants import answering, open_stores
from fakes.scripted import ScriptedProvider
from fakes.stage import Stage


@pytest.fixture
def path(tmp_path: Path, migrated_database: Path) -> Path:
    return Path(shutil.copy(migrated_database, tmp_path / "chat.db"))


@pytest.fixture
async def stores(path: Path) -> AsyncIterator[Stores]:
    async with open_stores(path) as stores:
        yield stores


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
async def assistant(stores: Stores, provider: ScriptedProvider) -> AsyncIterator[Assistant]:
    async with answering(stores, provider) as assistant:
        yield assistant


@pytest.fixture
def stage() -> Stage:
    return Stage()
