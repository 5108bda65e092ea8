"""A running service for each test."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aichat_backend.config.providers import ProviderName
from aichat_backend.config.settings import Settings
from fakes.backend import Backend, Caller, running_backend
from fakes.scripted import ScriptedProvider


@pytest.fixture
def settings(tmp_path: Path, migrated_database: Path) -> Settings:
    """A database of its own, and a mock that answers at once."""
    shutil.copy(migrated_database, tmp_path / "chat.db")
    return Settings(llm_provider=ProviderName.MOCK, mock_delay_ms=0, data_dir=tmp_path, auto_titles=False)


@pytest.fixture
async def backend(settings: Settings) -> AsyncIterator[Backend]:
    """With the mock, which answers at once."""
    async with running_backend(settings) as backend:
        yield backend


@pytest.fixture
def user(backend: Backend) -> Caller:
    return backend.user("1")


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
async def scripted(settings: Settings, provider: ScriptedProvider) -> AsyncIterator[Backend]:
    """With a provider that waits for the test."""
    async with running_backend(settings, provider) as backend:
        yield backend
