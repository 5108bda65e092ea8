"""PostgreSQL's transactions that fail: which may run again, and what became of a commit without an answer."""

from __future__ import annotations

import random
from collections.abc import Iterator
from time import monotonic, sleep

from sqlalchemy import Connection, Engine, bindparam, text
from sqlalchemy.exc import DBAPIError

from aichat_backend.storage.errors import OutcomeUnknown
from aichat_backend.storage.recovery import NoRecovery

ATTEMPTS = 25
"""How often a transaction is tried that others keep getting in the way of."""

PATIENCE = 5.0
"""Seconds in which a server that was lost in a commit must come back to say what became of it."""

_SERIALIZATION_FAILURE = "40001"
_DEADLOCK = "40P01"

_FIRST_PAUSE = 0.002
_LONGEST_PAUSE = 0.25
_BETWEEN_QUESTIONS = 0.1

_OWN_NAME = text("SELECT CAST(pg_current_xact_id() AS text)")
_FATE = text("SELECT pg_xact_status(CAST(CAST(:mark AS text) AS xid8))").bindparams(bindparam("mark"))


class ConflictRecovery(NoRecovery):
    """For transactions that may meet others: who reads also meets a newer version that upgrades the schema."""

    def pauses(self) -> Iterator[float]:
        """Longer ones each time, and none like the other's: two that met must not meet again."""
        longest = _FIRST_PAUSE
        for _attempt in range(ATTEMPTS - 1):
            yield random.uniform(0, longest)  # noqa: S311 - nothing is secret here
            longest = min(2 * longest, _LONGEST_PAUSE)

    def may_run_again(self, error: DBAPIError) -> bool:
        """Whether others were in the way. The server has undone the transaction then, also when it was to commit."""
        return getattr(error.orig, "sqlstate", None) in (_SERIALIZATION_FAILURE, _DEADLOCK)


class WriterRecovery(ConflictRecovery):
    """For those that change something, which must not be done twice."""

    def mark(self, connection: Connection) -> str | None:
        """The server's number of the transaction."""
        return str(connection.execute(_OWN_NAME).scalar_one())

    def was_committed(self, engine: Engine, mark: str | None) -> bool:
        """Ask the server on another connection, as soon as it answers."""
        deadline = monotonic() + PATIENCE
        while True:
            fate = _fate(engine, mark)
            if fate in ("committed", "aborted"):
                return fate == "committed"
            if monotonic() > deadline:
                raise OutcomeUnknown(
                    "the connection was lost in a commit, and the server does not say what became of it"
                )
            sleep(_BETWEEN_QUESTIONS)


def _fate(engine: Engine, mark: str | None) -> str | None:
    """What the server says of a transaction; None when it is not there to say anything."""
    try:
        with engine.connect() as connection:
            return str(connection.execute(_FATE, {"mark": mark}).scalar_one())
    except DBAPIError:
        return None
