"""A transaction whose statements run to their end, whatever happens to the caller meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, CursorResult, Executable
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from aichat_backend.storage.errors import unavailable_when_failing

T = TypeVar("T")


class Transaction:
    """Runs statements. Cancellation takes effect between them, never inside one.

    A statement that is abandoned half-way keeps SQLite's lock for as long as anything, a traceback even, refers to its
    cursor. Each one is short, so its end is waited for, and the transaction is then rolled back in good order.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def execute(
        self, statement: Executable, values: Mapping[str, Any] | None = None
    ) -> CursorResult[*tuple[Any, ...]]:
        """The rows of a statement."""
        return await _to_the_end(self._connection.execute(statement, values))

    async def scalar(self, statement: Executable) -> Any:
        """The first column of a statement's first row; None without a row."""
        return await _to_the_end(self._connection.scalar(statement))

    async def run_sync(self, work: Callable[[Connection], T]) -> T:
        """What a function makes of the plain connection."""
        return await _to_the_end(self._connection.run_sync(work))


@asynccontextmanager
async def transaction_on(engine: AsyncEngine) -> AsyncIterator[Transaction]:
    """A transaction that commits when the block ends, and is rolled back when the block fails or is cancelled.

    Raises:
        DatabaseUnavailable: when the database fails.
    """
    connection = engine.connect()
    with unavailable_when_failing():
        try:
            await _to_the_end(_begin(connection))
            yield Transaction(connection)
            await _to_the_end(connection.commit())
        finally:
            if connection.sync_connection is not None:
                await _to_the_end(connection.close())


async def _begin(connection: AsyncConnection) -> None:
    await connection.start()
    await connection.begin()


async def _to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Wait for the work although the caller is cancelled, and be cancelled then."""
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled from task.exception()
    return task.result()
