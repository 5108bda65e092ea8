"""Ending what SQLite is at: when it takes too long, or nobody waits for it any more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from sqlalchemy import Connection

from aichat_backend.storage.unwanted import Unwanted

_STEPS = 10_000
"""Of SQLite's machine, between two looks: about a millisecond."""


@contextmanager
def interrupted_after(seconds: float, connection: Connection, unwanted: Unwanted) -> Iterator[None]:
    """Let no statement in this block go on for longer, or once it is unwanted."""
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101
    deadline = monotonic() + seconds
    driver.set_progress_handler(lambda: unwanted.is_set() or monotonic() > deadline, _STEPS)
    try:
        yield
    finally:
        driver.set_progress_handler(None, _STEPS)
