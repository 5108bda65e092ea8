"""Transactions: each is one function, which a thread runs to its end, whatever happens to the caller meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from time import sleep
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from aichat_backend.storage.engines import Access
from aichat_backend.storage.errors import DatabaseUnavailable, unavailable_when_failing
from aichat_backend.storage.unwanted import Unwanted

T = TypeVar("T")


class Transactions:
    """Runs transactions, as many at a time as there are connections, the others in the order in which they came.

    The event loop hands a whole transaction to a thread and hears of it once, when it is over. A statement that went to
    the thread by itself would cost more on its way than in the database.
    """

    def __init__(self, access: Access) -> None:
        self._engine = access.engine
        self._begin = access.begin
        self._recovery = access.recovery
        self._watch = access.watch
        self._threads = ThreadPoolExecutor(access.at_a_time, thread_name_prefix="database")
        self._closed = False

    async def run(self, work: Callable[[Connection], T]) -> T:
        """What the function makes of a connection. Its transaction commits when it returns, is undone when it raises.

        The function runs again when other transactions were in its way: it must do nothing but use the connection.
        A caller that is cancelled waits for the end of a transaction that has begun; one that has not never will. Some
        ways to a database end it then.

        Raises:
            DatabaseUnavailable: when the database fails.
        """
        unwanted = Unwanted()
        return await self._on_thread(lambda: self._transact(work, unwanted), unwanted)

    async def run_on_thread(self, work: Callable[[], T]) -> T:
        """What the function returns, in turn with the transactions."""
        return await self._on_thread(work, Unwanted())

    async def _on_thread(self, work: Callable[[], T], unwanted: Unwanted) -> T:
        if self._closed:
            raise DatabaseUnavailable("the database is closed")
        return await _to_the_end(self._threads.submit(work), unwanted)

    async def close(self) -> None:
        """Let the transactions end that have been asked for, refuse new ones, close every connection."""
        self._closed = True
        await asyncio.to_thread(self._shut_down)

    def _shut_down(self) -> None:
        self._threads.shutdown()
        self._engine.dispose()

    def _transact(self, work: Callable[[Connection], T], unwanted: Unwanted) -> T:
        with unavailable_when_failing():
            for pause in self._recovery.pauses():
                try:
                    return self._attempt(work, unwanted)
                except DBAPIError as error:
                    if not self._recovery.may_run_again(error):
                        raise
                sleep(pause)
            return self._attempt(work, unwanted)

    def _attempt(self, work: Callable[[Connection], T], unwanted: Unwanted) -> T:
        with self._begun() as connection:
            mark = self._recovery.mark(connection)
            with self._watch(connection, unwanted):
                result = work(connection)
            lost = _lost_in_commit(connection)
        # Only now, without the connection: all may be lost at once, and there are no others than these.
        if lost is not None and not self._recovery.was_committed(self._engine, mark):
            raise lost
        return result

    def _begun(self) -> Connection:
        """A connection with its transaction begun. One that was lost while nobody used it is replaced, once."""
        try:
            return self._connected()
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        return self._connected()

    def _connected(self) -> Connection:
        connection = self._engine.connect()
        try:
            for statement in self._begin:
                connection.exec_driver_sql(statement)
        except BaseException:
            connection.close()
            raise
        return connection


def _lost_in_commit(connection: Connection) -> DBAPIError | None:
    """Commit; the error, when the connection was lost on the way and nobody has said whether it was done."""
    try:
        connection.commit()
    except DBAPIError as error:
        if error.connection_invalidated:
            return error
        raise
    return None


async def _to_the_end(future: Future[T], unwanted: Unwanted) -> T:
    """Wait for the work although the caller is cancelled, and be cancelled then; work that has not begun is dropped.

    What has begun can see that nobody wants it any more.
    """
    waiting = asyncio.wrap_future(future)
    cancelled: asyncio.CancelledError | None = None
    while not waiting.done():
        try:
            await asyncio.wait({waiting})
        except asyncio.CancelledError as error:
            cancelled = error
            unwanted.set()
            if future.cancel():
                break
    if cancelled is not None:
        raise cancelled from (None if future.cancelled() else waiting.exception())
    return waiting.result()
