"""Ending what PostgreSQL is at when nobody waits for it any more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import psycopg
import structlog
from sqlalchemy import Connection

from aichat_backend.storage.errors import OutOfTime
from aichat_backend.storage.unwanted import Unwanted

_ANSWER_SECONDS = 5.0
"""How long the server may take to hear that a statement is to end."""

_AGAIN_SECONDS = 0.1
"""How long until it is told again: what it is told between two statements, it does not heed."""

_log = structlog.get_logger(__name__)


@contextmanager
def cancelled_when_unwanted(connection: Connection, unwanted: Unwanted) -> Iterator[None]:
    """Let no statement in this block go on once it is unwanted.

    Raises:
        OutOfTime: it was, and no statement has failed of it.
    """
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101
    cancelling = _Cancelling(driver)
    try:
        with unwanted.heard_by(cancelling.begin):
            yield
    finally:
        if cancelling.end():
            # The last that the server was told may reach it late, and must not end what somebody else asks it then.
            connection.invalidate()
    if cancelling.has_begun:
        raise OutOfTime("nobody waits for it any more")


class _Cancelling:
    """Tells the server to end a connection's statement, again and again until it has, on a thread of its own."""

    def __init__(self, driver: psycopg.Connection) -> None:
        self._driver = driver
        self._is_over = Event()
        self._thread: Thread | None = None

    @property
    def has_begun(self) -> bool:
        return self._thread is not None

    def begin(self) -> None:
        self._thread = Thread(target=self._cancel, name="database-cancel", daemon=True)
        self._thread.start()

    def end(self) -> bool:
        """Wait until the server is told nothing more; whether it was told anything."""
        self._is_over.set()
        if self._thread is not None:
            self._thread.join()
        return self.has_begun

    def _cancel(self) -> None:
        try:
            while not self._is_over.is_set():
                self._driver.cancel_safe(timeout=_ANSWER_SECONDS)
                self._is_over.wait(_AGAIN_SECONDS)
        except psycopg.Error as error:
            # It ends when its time is over.
            _log.warning("statement_not_cancelled", detail=str(error))
