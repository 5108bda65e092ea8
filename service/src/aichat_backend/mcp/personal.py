"""Connections of single users, to a server that is sent the user's id: no two users ever share one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from contextvars import Context
from typing import Protocol

import anyio
import structlog

from aichat_backend.mcp.connection import Connection
from aichat_backend.mcp.entries import ServerEntry
from aichat_backend.mcp.failures import NotRun, ServerFailed

_IDLE_SECONDS = 300.0
_MOST_SESSIONS = 200

_log = structlog.get_logger(__name__)


class Opener(Protocol):
    """Opens a connection; see `open_connection`."""

    def __call__(
        self, entry: ServerEntry, *, on_event: Callable[[], None], user_id: str | None = None
    ) -> AbstractAsyncContextManager[Connection]:
        """The connection, to enter and leave in one task."""


class _Session:
    """One user's connection, from its opening by its own task to its end."""

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.wake = asyncio.Event()
        self.settled = asyncio.Event()
        """Set once there is a connection, or a problem."""
        self.connection: Connection | None = None
        self.problem = ""
        self.digests: Mapping[str, str] = {}
        """Of the tools as this user sees them."""
        self.leases = 0
        self.last_used = asyncio.get_running_loop().time()
        self.opening: anyio.CancelScope | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def is_sound(self) -> bool:
        """Whether a new call may use it."""
        if self.connection is None:
            return not self.settled.is_set()
        return not (self.connection.ended or self.connection.in_doubt)


class PersonalSessions:
    """Opens a connection at a user's first call, and closes it when they have not called for a while."""

    def __init__(self, entry: ServerEntry, opener: Opener, *, on_rest: Callable[[], None]) -> None:
        """`on_rest` is called when a call has ended."""
        self._entry = entry
        self._opener = opener
        self._on_rest = on_rest
        self._current: dict[str, _Session] = {}
        """Those that new calls use."""
        self._all: set[_Session] = set()
        self._stopping = False

    @property
    def calls(self) -> int:
        """How many are under way."""
        return sum(session.leases for session in self._all)

    @asynccontextmanager
    async def connection(self, user_id: str, tool: str, digest: str) -> AsyncIterator[Connection]:
        """A user's own connection, kept open meanwhile.

        Raises:
            NotRun: there is none to be had, or the tool is not the same for this user.
        """
        session = self._session(user_id)
        session.leases += 1
        try:
            await session.settled.wait()
            if session.connection is None:
                raise NotRun(f"The tool did not run: its server cannot be used now: {session.problem}.")
            if session.digests.get(tool) != digest:
                raise NotRun("The tool did not run: for this user its server offers another one.")
            yield session.connection
        finally:
            session.leases -= 1
            session.last_used = asyncio.get_running_loop().time()
            session.wake.set()
            self._on_rest()

    async def stop(self) -> None:
        """Close all of them now."""
        self._stopping = True
        for session in self._all:
            session.wake.set()
            if session.opening is not None:
                session.opening.cancel()
        if tasks := {session.task for session in self._all if session.task is not None}:
            await asyncio.wait(tasks)

    def _session(self, user_id: str) -> _Session:
        found = self._current.get(user_id)
        if found is not None and found.is_sound:
            return found
        self._make_room()
        session = self._current[user_id] = _Session(user_id)
        self._all.add(session)
        # In a context of its own: it outlives the request that asked for it.
        session.task = asyncio.create_task(
            self._hold(session), name=f"mcp {self._entry.name} of a user", context=Context()
        )
        return session

    def _make_room(self) -> None:
        if self._stopping:
            raise NotRun("The tool did not run: its server is being stopped.")
        if len(self._all) < _MOST_SESSIONS:
            return
        idle = [session for session in self._all if not session.leases]
        if not idle:
            raise NotRun("The tool did not run: too many users are using its server. Try again in a moment.")
        oldest = min(idle, key=lambda session: session.last_used)
        oldest.last_used = float("-inf")
        oldest.wake.set()

    async def _hold(self, session: _Session) -> None:
        try:
            with anyio.CancelScope() as session.opening:
                await self._connect_and_wait(session)
        except ServerFailed as failure:
            self._tell(session, failure)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            _log.error("mcp_personal_session_failed", server=self._entry.name, exc_info=error)
            session.problem = "it failed in an unexpected way"
        finally:
            session.problem = session.problem or "the connection was closed"
            session.settled.set()
            self._withdraw(session)
            self._all.discard(session)

    async def _connect_and_wait(self, session: _Session) -> None:
        async with self._opener(self._entry, on_event=session.wake.set, user_id=session.user_id) as connection:
            try:
                tools = await connection.list_tools()
            except ServerFailed as failure:
                self._tell(session, failure)
                return
            session.opening = None
            session.digests = {tool.name: tool.digest for tool in tools}
            session.connection = connection
            session.settled.set()
            await self._until_unused(session, connection)
            # Before anything is awaited: closing may take a while, and nobody should call meanwhile.
            self._withdraw(session)

    def _tell(self, session: _Session, failure: ServerFailed) -> None:
        session.problem = str(failure)
        _log.warning(
            "mcp_personal_session_failed",
            server=self._entry.name,
            user_id=session.user_id,
            problem=str(failure),
            said=failure.said,
        )

    def _withdraw(self, session: _Session) -> None:
        """Let no new call use it."""
        session.connection = None
        if self._current.get(session.user_id) is session:
            del self._current[session.user_id]

    async def _until_unused(self, session: _Session, connection: Connection) -> None:
        while not (connection.ended or self._stopping):
            session.wake.clear()
            idle_until = session.last_used + _IDLE_SECONDS
            left = idle_until - asyncio.get_running_loop().time()
            if not session.leases and (left <= 0 or connection.in_doubt):
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(None if session.leases else left):
                    await session.wake.wait()
