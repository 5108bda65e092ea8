"""An assistant on a real database, asking a provider that waits for the test."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aichat_backend.chat.assistant import Assistant
from aichat_backend.storage.conversations import SqlConversationStore
from fakes.assistants import answering, open_store
from fakes.scripted import ScriptedProvider


@pytest.fixture
def path(tmp_path: Path, migrated_database: Path) -> Path:
    return Path(shutil.copy(migrated_database, tmp_path / "chat.db"))


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqlConversationStore]:
    async with open_store(path) as store:
        yield store


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
async def assistant(store: SqlConversationStore, provider: ScriptedProvider) -> AsyncIterator[Assistant]:
    async with answering(store, provider) as assistant:
        yield assistant
