"""What a database can do about transactions that fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError


class Recovery(Protocol):
    """Knows which transactions may run again, and what became of one whose commit was not answered."""

    def mark(self, connection: Connection) -> str | None:
        """A name of the transaction under way, by which `was_committed` finds it again."""

    def pauses(self) -> Iterator[float]:
        """Seconds to wait before each further attempt, for as many as there are."""

    def may_run_again(self, error: DBAPIError) -> bool:
        """Whether the transaction has left nothing, and will probably succeed in another attempt."""

    def was_committed(self, engine: Engine, mark: str | None) -> bool:
        """What became of a transaction whose connection was lost in its commit.

        Raises:
            OutcomeUnknown: when the database cannot be asked.
        """


class NoRecovery:
    """For a database in this process: nothing gets lost on the way to it, and writers come one by one."""

    def mark(self, connection: Connection) -> str | None:  # noqa: ARG002
        """None: nobody will ask."""
        return None

    def pauses(self) -> Iterator[float]:
        """None: there is one attempt."""
        return iter(())

    def may_run_again(self, error: DBAPIError) -> bool:  # noqa: ARG002
        """Never."""
        return False

    def was_committed(self, engine: Engine, mark: str | None) -> bool:  # noqa: ARG002
        """No: a commit that fails is undone."""
        return False
