"""A database for as long as the service lives: opened as soon as it can be, and again when that becomes necessary."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

import structlog
from sqlalchemy import Connection

from aichat_backend.storage.database import Database
from aichat_backend.storage.errors import (
    DamagedDatabase,
    DatabaseUnavailable,
    NewerDatabase,
    ReplacedDatabase,
    StorageError,
    UnsupportedDatabase,
)

if TYPE_CHECKING:
    from aichat_backend.storage.engines import InsertOrUpdate

T = TypeVar("T")

HOPELESS = (UnsupportedDatabase, NewerDatabase)
"""What no waiting mends: the setting is wrong, or the program too old. They end a start."""

_OPENED_ANEW = (DamagedDatabase, ReplacedDatabase, NewerDatabase)
"""With these, what is open is of no more use."""

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0

_REST = 1.0
"""For so long it is left alone after each look, however many ask."""

_LOOK_SECONDS = 1.0
"""How long somebody who asks waits for a look. After that, what was seen before must do."""

_REST_AFTER_VERIFYING = 10
"""Times as long as that look took, which has read the whole file."""

_log = structlog.get_logger(__name__)


class LastingDatabase:
    """Transactions as of a `Database`; they fail with `DatabaseUnavailable` while it cannot be opened or has failed.

    Whatever is the matter is logged once, told by `problem`, and tried again until it is over: in the background at
    growing intervals, and soon when somebody asks or finds that it works again.
    """

    def __init__(
        self,
        url: str,
        *,
        first_pause: float = _FIRST_PAUSE,
        longest_pause: float = _LONGEST_PAUSE,
        rest: float = _REST,
    ) -> None:
        self._url = url
        self._first_pause = self._pause = first_pause
        self._longest_pause = longest_pause
        self._rest = rest
        self._rests_until = 0.0
        self._database: Database | None = None
        self._leaving: Database | None = None
        """The one that is not used any more, and still to be closed."""
        self._trouble: StorageError | None = None
        self._told: set[str] = set()
        """The problems that are in the log."""
        self._well_since = monotonic()
        self._changed = asyncio.Event()
        """There is trouble that was not there before."""
        self._opened = asyncio.Event()
        self._asked = asyncio.Event()
        """Somebody wants to know whether the trouble is over."""
        self._look: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done at the end of the look that is under way, or comes next."""
        self._care: asyncio.Task[None] | None = None

    async def start(self, patience: float) -> None:
        """Begin to open it, and wait for so many seconds at most to hear how that went.

        Raises:
            UnsupportedDatabase: when the URL names none that can be used.
            NewerDatabase: when a newer version of the program has changed it, and this one cannot use it.
        """
        self._care = asyncio.create_task(self._take_care(), name="take care of the database")
        await asyncio.wait({self._look}, timeout=patience)
        if isinstance(self._trouble, HOPELESS):
            raise self._trouble

    async def opened(self) -> None:
        """Wait until it has been opened."""
        await self._opened.wait()

    async def problem(self) -> str | None:
        """What is wrong with it, in one line with the remedy; None when all is well."""
        if self._trouble is None and self._database is None:
            return "The database is being opened."
        if self._trouble is not None:
            await self._look_again()
        else:
            try:
                await self._use(lambda database: database.ping())
            except DatabaseUnavailable as error:
                return str(self._trouble or error.message)
        return None if self._trouble is None else str(self._trouble)

    @property
    def insert(self) -> InsertOrUpdate:
        """Makes INSERT statements that know this database's `ON CONFLICT`."""
        return self._usable().insert

    async def read(self, work: Callable[[Connection], T]) -> T:
        """As `Database.read`."""
        return await self._use(lambda database: database.read(work))

    async def search(self, work: Callable[[Connection], T]) -> T:
        """As `Database.search`."""
        return await self._use(lambda database: database.search(work))

    async def write(self, work: Callable[[Connection], T]) -> T:
        """As `Database.write`."""
        return await self._use(lambda database: database.write(work))

    async def forget(self) -> None:
        """As `Database.forget`."""
        await self._use(lambda database: database.forget())

    async def close(self) -> None:
        """As `Database.close`; nothing is tried any more."""
        if self._care is not None:
            self._care.cancel()
            await asyncio.wait({self._care})
        for database in (self._leaving, self._database):
            if database is not None:
                await database.close()

    def _usable(self) -> Database:
        if self._database is None:
            self._asked.set()
            raise DatabaseUnavailable("")
        return self._database

    async def _use(self, use: Callable[[Database], Awaitable[T]]) -> T:
        database = self._usable()
        try:
            result = await use(database)
        except DatabaseUnavailable as error:
            trouble = await database.diagnose(error)
            if trouble is not None:
                self._blame(database, trouble)
            raise
        except NewerDatabase as trouble:
            self._blame(database, trouble)
            raise DatabaseUnavailable(str(trouble)) from trouble
        if self._trouble is not None:
            self._asked.set()
        return result

    async def _look_again(self) -> None:
        """Have it tried once more, and wait a moment for how that goes, unless it has just been tried."""
        self._asked.set()
        if monotonic() >= self._rests_until:
            await asyncio.wait({self._look}, timeout=_LOOK_SECONDS)

    def _blame(self, database: Database, trouble: StorageError) -> None:
        """Let what is wrong with it be known to all who come, and mended."""
        if database is not self._database:
            return
        if isinstance(trouble, _OPENED_ANEW):
            self._database, self._leaving = None, database
        self._note(trouble)
        self._changed.set()

    async def _take_care(self) -> None:
        while True:
            self._changed.clear()
            began = monotonic()
            trouble = await self._attempt()
            if trouble is not None:
                self._note(trouble)
                self._rest_after(trouble, monotonic() - began)
            elif not self._changed.is_set():
                self._recover()
            self._end_look()
            if trouble is None:
                await self._changed.wait()
            # What must be opened anew is, at once; anything else may be over in a moment.
            if trouble is not None or self._database is not None:
                await self._wait_a_while()

    def _rest_after(self, trouble: StorageError, seconds: float) -> None:
        verifying = isinstance(trouble, DamagedDatabase)
        self._rests_until = monotonic() + max(self._rest, _REST_AFTER_VERIFYING * seconds if verifying else 0)

    def _end_look(self) -> None:
        look, self._look = self._look, asyncio.get_running_loop().create_future()
        look.set_result(None)

    async def _wait_a_while(self) -> None:
        self._asked.clear()
        try:
            async with asyncio.timeout(self._pause):
                await self._asked.wait()
        except TimeoutError:
            self._pause = min(2 * self._pause, self._longest_pause)
        else:
            await asyncio.sleep(self._rests_until - monotonic())

    async def _attempt(self) -> StorageError | None:
        """Do what can be done now; the answer is what is still wrong."""
        try:
            if self._database is None:
                await self._let_go()
                self._database = await self._open()
            else:
                await self._use(lambda database: database.try_to_write())
        except StorageError as trouble:
            return trouble
        except DatabaseUnavailable as error:
            return self._trouble or StorageError(f"The database cannot be used: {error.detail}.")
        except Exception as error:  # noqa: BLE001 - the service lives on, and tells that it cannot work
            _log.error("database_not_opened", exc_info=error)
            return StorageError("The database cannot be used, for a reason that the log tells (database_not_opened).")
        return None

    async def _open(self) -> Database:
        opening = asyncio.ensure_future(Database.open(self._url))
        try:
            database = await asyncio.shield(opening)
        except asyncio.CancelledError:
            with suppress(StorageError):
                await (await opening).close()
            raise
        try:
            if isinstance(self._trouble, DamagedDatabase):
                await database.verify()
            await database.upgrade()
        except BaseException:
            await database.close()
            raise
        return database

    async def _let_go(self) -> None:
        """Close what is of no more use, before anything is opened in its place."""
        leaving, self._leaving = self._leaving, None
        if leaving is None:
            return
        if isinstance(self._trouble, ReplacedDatabase):
            # Its log lies where the new file's will, and must not be taken for it.
            try:
                await leaving.settle()
            except DatabaseUnavailable as error:
                _log.warning("database_log_left", detail=error.detail)
        await leaving.close()

    def _note(self, trouble: StorageError) -> None:
        if self._trouble is None and monotonic() - self._well_since > self._longest_pause:
            # What comes and goes is one trouble: it is neither tried nor told all over again.
            self._told.clear()
            self._pause = self._first_pause
        if self._trouble is None:
            self._rests_until = monotonic() + self._rest
        self._trouble = trouble
        problem = str(trouble)
        if problem not in self._told:
            self._told.add(problem)
            _log.error("database_unusable", problem=problem)

    def _recover(self) -> None:
        if self._trouble is not None:
            self._trouble = None
            _log.info("database_usable_again")
        self._well_since = monotonic()
        self._opened.set()
