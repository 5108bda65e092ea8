"""Assistants for tests, and what they hold on to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from aichat_backend.app import Stores
from aichat_backend.chat.assistant import Assistant
from aichat_backend.chat.daily_tokens import DailyTokens
from aichat_backend.chat.elsewhere import Elsewhere
from aichat_backend.chat.finished_runs import Followed
from aichat_backend.chat.flusher import Flusher
from aichat_backend.chat.history import ModelOptions
from aichat_backend.chat.insisting import Patience
from aichat_backend.chat.runs import RunResources
from aichat_backend.chat.titles import Titles
from aichat_backend.chat.tools import NoTools, Toolbox
from aichat_backend.chat.turn import TurnResources
from aichat_backend.chat.turn_limits import TurnLimits
from aichat_backend.chat.underway import Owner
from aichat_backend.providers.base import Provider
from aichat_backend.storage.database import Database
from aichat_backend.telemetry.metrics import Metrics

OPTIONS = ModelOptions(model="m")
HERE = Owner("here", "1")


@asynccontextmanager
async def open_stores(path: Path, owner: Owner = HERE) -> AsyncIterator[Stores]:
    """What a database file holds."""
    async with stores_at(f"sqlite:///{path}", owner) as stores:
        yield stores


@asynccontextmanager
async def stores_at(url: str, owner: Owner) -> AsyncIterator[Stores]:
    """What a database holds."""
    database = await Database.open(url)
    await database.upgrade()
    yield Stores.of(database, owner)
    await database.close()


@asynccontextmanager
async def answering(
    stores: Stores,
    provider: Provider,
    *,
    toolbox: Toolbox | None = None,
    metrics: Metrics | None = None,
    limits: TurnLimits | None = None,
    tokens_per_day: int | None = None,
    titles: bool = False,
    flusher: Flusher | None = None,
    patience: Patience | None = None,
    **changes: Any,
) -> AsyncIterator[Assistant]:
    """An assistant, drained in the end."""
    resources = RunResources(
        turn=TurnResources(
            provider=provider,
            toolbox=toolbox or NoTools(),
            files=stores.files,
            options=OPTIONS,
            limits=limits or TurnLimits(),
            daily_tokens=DailyTokens(stores.usage.spent_today, tokens_per_day),
        ),
        store=stores.turns,
        usage=stores.usage,
        metrics=metrics or Metrics(),
        approval_lifetime=timedelta(hours=1),
        flusher=flusher or Flusher(stores.runs),
        patience=patience or Patience(),
    )
    values = {
        "max_runs_per_user": 3,
        "messages_per_minute": 1_000,
        "titles": Titles(provider, OPTIONS, stores.conversations, stores.usage) if titles else None,
    }
    assistant = Assistant(resources, stores.conversations, Elsewhere(stores.runs), **{**values, **changes})
    yield assistant
    await assistant.drain(0)


def held(assistant: Assistant) -> tuple[set[tuple[str, str]], dict[str, int]]:
    """The sessions that are busy, and how many answers each user has under way, as the assistant counts them."""
    return set(assistant._claims._sessions), dict(assistant._claims._under_way)


def runs_of(assistant: Assistant) -> dict[str, Followed]:
    """Every run that can be found, under way or finished, by its id."""
    return assistant._runs | assistant._finished._runs
