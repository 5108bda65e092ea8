"""Trying again while the database is away, until it is back or there is no more time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from msgspec import Struct

from aichat_backend.errors import Unavailable

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class Patience(Struct, frozen=True):
    """How to wait for a database that is away, in seconds."""

    first_pause: float = 0.2
    longest_pause: float = 5.0
    of_readers: float = 30.0
    """After that, whoever waits is told that it takes longer."""
    of_the_service: float = 2.0
    """How much longer than the grace of its answers a service waits that stops."""


async def insist(
    work: Callable[[], Awaitable[T]],
    patience: Patience,
    *,
    no_more: asyncio.Future[None],
    on_delay: Callable[[], None],
    run_id: str,
) -> T:
    """What the work returns when it succeeds, however long that takes.

    Raises:
        Unavailable: it failed once more after `no_more` was done.
    """
    pause, has_told = patience.first_pause, False
    telling = asyncio.get_running_loop().call_later(patience.of_readers, on_delay)
    try:
        while True:
            try:
                return await work()
            except Unavailable as error:
                if no_more.done():
                    raise
                if not has_told:
                    has_told = True
                    _tell(run_id, error)
            await asyncio.wait({no_more}, timeout=pause)
            pause = min(2 * pause, patience.longest_pause)
    finally:
        telling.cancel()


def _tell(run_id: str, error: Unavailable) -> None:
    try:
        _log.warning("answer_waits_for_the_database", run_id=run_id, detail=error.detail)
    except Exception as broken:  # noqa: BLE001 - a full disk may hold up log and database alike; the answer waits all the same
        asyncio.get_running_loop().call_exception_handler({"message": "a delay was not logged", "exception": broken})
