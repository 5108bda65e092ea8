"""Assistants for tests, and what they hold on to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aichat_backend.chat.assistant import Assistant
from aichat_backend.chat.conversation import ConversationStore
from aichat_backend.chat.history import ModelOptions
from aichat_backend.chat.runs import Run
from aichat_backend.providers.base import Provider
from aichat_backend.storage.conversations import SqlConversationStore
from aichat_backend.storage.database import Database
from aichat_backend.telemetry.metrics import Metrics


@asynccontextmanager
async def open_store(path: Path) -> AsyncIterator[SqlConversationStore]:
    """The conversations of a database file whose schema is there."""
    database = await Database.open(f"sqlite:///{path}")
    await database.upgrade()
    yield SqlConversationStore(database)
    await database.close()


@asynccontextmanager
async def answering(store: ConversationStore, provider: Provider, **changes: Any) -> AsyncIterator[Assistant]:
    """An assistant, drained in the end."""
    values = {"options": ModelOptions(model="m"), "metrics": Metrics(), "max_runs_per_user": 3}
    assistant = Assistant(store=store, provider=provider, **{**values, **changes})
    yield assistant
    await assistant.drain(0)


def held(assistant: Assistant) -> tuple[set[tuple[str, str]], dict[str, int]]:
    """The sessions that are busy, and how many answers each user has under way, as the assistant counts them."""
    return set(assistant._busy), dict(assistant._under_way)


def runs_of(assistant: Assistant) -> dict[str, Run]:
    """Every run that can be found, under way or finished, by its id."""
    return assistant._runs | assistant._finished._runs
