"""The owner of one server: a task that connects, lists the tools, looks after the connection, and begins again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import Context
from functools import partial
from time import monotonic
from typing import Any

import anyio
import structlog

from aichat_backend.chat.tools import ServerState, ToolOutcome, ToolPins
from aichat_backend.mcp.backoff import Backoff
from aichat_backend.mcp.connection import Connection
from aichat_backend.mcp.entries import Endpoint, ServerEntry
from aichat_backend.mcp.failures import NotRun, ServerFailed
from aichat_backend.mcp.offer import Offer, OfferedTool
from aichat_backend.mcp.opening import load_means, open_connection
from aichat_backend.mcp.personal import Opener, PersonalSessions

_WORKED_SECONDS = 60.0
"""After so long, a server that fails counts as one that failed for the first time."""
_QUIET_SECONDS = 300.0
"""How long a server may be silent before it is asked for its tools again: some die, or change, without a word."""
_PINS_AGAIN_SECONDS = 30.0
_LISTEN_AGAIN_SECONDS = 30.0
_BETWEEN_LISTS_SECONDS = 0.25
"""However often a server says that its tools have changed."""
_LOST = "the connection was lost"

_log = structlog.get_logger(__name__)


def load_opener(environment: Mapping[str, str], output_bytes: int) -> Opener:
    """What owners open their connections with. Reads certificates, which blocks for a moment."""
    return partial(open_connection, means=load_means(environment, output_bytes))


class ServerOwner:
    """Keeps one server at work. Whatever it does happens in its own task; others ask it, or call."""

    def __init__(
        self,
        entry: ServerEntry,
        *,
        opener: Opener,
        pins: ToolPins,
        on_change: Callable[[], None],
        backoff: Backoff,
    ) -> None:
        """`on_change` is called whenever its state or its tools are others than before."""
        self.entry = entry
        self.state = ServerState.CONNECTING
        self.first_attempt = asyncio.Event()
        """Set once it has been ready, or has failed, or is to stop."""
        self._opener = opener
        self._on_change = on_change
        self._backoff = backoff
        self._offer = Offer(entry, pins)
        self._connection: Connection | None = None
        self._wake = asyncio.Event()
        self._personal: PersonalSessions | None = None
        if isinstance(entry.target, Endpoint) and entry.target.is_personal:
            self._personal = PersonalSessions(entry, opener, on_rest=self._wake.set)
        self._interruptible: anyio.CancelScope | None = None
        """Around what may take long and must not when the owner is to stop."""
        self._stopping = False
        self._retiring = False
        self._error: str | None = None
        self._waiting: list[asyncio.Event] = []
        """Who waits for the next list."""
        self._list_again_at = 0.0
        self._not_before = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def tools(self) -> tuple[OfferedTool, ...]:
        """What can be called now."""
        return self._offer.tools if self.state is ServerState.READY else ()

    @property
    def last_error(self) -> str | None:
        """Why it failed last, or what an administrator should know of its tools."""
        return self._error or self._offer.note

    def start(self) -> None:
        """Begin; whatever happens shows in the state."""
        # In a context of its own: it outlives the request that may have asked for it.
        self._task = asyncio.create_task(self._run(), name=f"mcp {self.entry.name}", context=Context())

    async def stop(self) -> None:
        """End now; calls under way are lost."""
        self._stopping = True
        await self._end()

    async def retire(self) -> None:
        """End as soon as the calls that are under way have ended; no other ones begin."""
        self._retiring = True
        await self._end()

    async def list_again(self) -> None:
        """Have the tools listed anew, or a server that failed tried at once, and wait for that."""
        if self._task is None or self._task.done():
            return
        listed = asyncio.Event()
        self._waiting.append(listed)
        self._wake.set()
        await listed.wait()

    async def call(
        self, name: str, digest: str, arguments: Mapping[str, Any], *, user_id: str, seconds: float
    ) -> ToolOutcome:
        """Call a tool once, if it still is the one with that digest.

        Raises:
            CallFailed: there is no result.
        """
        connection = self._connection
        tool = self._offer.find(name)
        if connection is None or self._retiring:
            raise NotRun("The tool did not run: its server is not available at the moment.")
        if tool is None or tool.listed.digest != digest:
            raise NotRun("The tool did not run: it was changed or removed meanwhile.")
        if self._personal is None:
            with connection.in_use():
                return await connection.call(name, arguments, seconds=seconds)
        began = monotonic()
        try:
            async with asyncio.timeout(seconds) as reaching:
                async with self._personal.connection(user_id, name, digest) as personal:
                    reaching.reschedule(None)
                    return await personal.call(name, arguments, seconds=max(seconds - monotonic() + began, 0.0))
        except TimeoutError as error:
            raise NotRun(f"The tool did not run: its server could not be reached within {seconds:g} s.") from error

    async def _end(self) -> None:
        if self._interruptible is not None and (self._stopping or self._connection is None):
            self._interruptible.cancel()
        self._wake.set()
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        try:
            while not (self._stopping or self._retiring):
                began = monotonic()
                self._set(ServerState.CONNECTING, self._error)
                failure = await self._attempt()
                if self._stopping or self._retiring:
                    break
                if monotonic() - began >= _WORKED_SECONDS:
                    self._backoff.forget()
                await self._rest_after(failure or ServerFailed(_LOST))
        finally:
            self._answer_waiting()
            self.first_attempt.set()
            if self._personal is not None:
                await self._personal.stop()

    async def _attempt(self) -> ServerFailed | None:
        """Connect, and stay so as long as it goes well; the answer is why it ended."""
        try:
            with anyio.CancelScope() as self._interruptible:
                async with self._opener(self.entry, on_event=self._wake.set) as connection:
                    self._interruptible = None
                    return await self._attend(connection)
        except ServerFailed as failure:
            return failure
        except Exception as error:  # noqa: BLE001 - one server's trouble must not end its owner
            _log.error("mcp_owner_failed", server=self.entry.name, exc_info=error)
            return ServerFailed("the connection failed in an unexpected way; the log tells more")
        finally:
            self._interruptible = None
        return None

    async def _attend(self, connection: Connection) -> ServerFailed | None:
        failure = await self._list(connection)
        if failure is not None or self._stopping or self._retiring:
            return failure
        self._connection = connection
        self._set(ServerState.READY, None)
        _log.info(
            "mcp_server_ready",
            server=self.entry.name,
            transport=self.entry.transport.value,
            protocol=connection.protocol,
            tools=len(self._offer.tools),
        )
        listening = asyncio.create_task(self._listen(connection), name=f"mcp {self.entry.name} listening")
        failure = ServerFailed(_LOST)
        try:
            failure = await self._watch(connection)
            return failure
        finally:
            # Before anything is awaited: closing may take a while, and nobody should call meanwhile.
            self._connection = None
            if failure is not None:
                self._set(ServerState.FAILED, str(failure))
            listening.cancel()
            await asyncio.wait({listening})

    async def _watch(self, connection: Connection) -> ServerFailed | None:
        """Look after the connection at every event; the answer is why it ended."""
        while True:
            self._wake.clear()
            if self._stopping or (self._retiring and not self._calls(connection)):
                return None
            if connection.ended:
                return connection.why_ended
            due = self._list_due(connection) - monotonic()
            if due > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(due, _QUIET_SECONDS)):
                        await self._wake.wait()
            elif (failure := await self._list(connection)) and (connection.ended or not connection.calls):
                # While calls are under way, a server may well be too busy to answer.
                return connection.why_ended or failure

    def _calls(self, connection: Connection) -> int:
        return connection.calls + (self._personal.calls if self._personal is not None else 0)

    def _list_due(self, connection: Connection) -> float:
        """When to list the tools next."""
        if self._waiting:
            return 0.0
        if connection.tools_changed:
            return self._not_before
        if connection.calls:
            return float("inf")
        return self._not_before if connection.in_doubt else self._list_again_at

    async def _list(self, connection: Connection) -> ServerFailed | None:
        """List the tools; the answer is why that failed."""
        waiting, self._waiting = self._waiting, []
        try:
            with anyio.CancelScope() as self._interruptible:
                if await self._offer.take(await connection.list_tools()):
                    self._on_change()
        except ServerFailed as failure:
            return failure
        finally:
            self._interruptible = None
            self._not_before = monotonic() + _BETWEEN_LISTS_SECONDS
            self._list_again_at = monotonic() + (_QUIET_SECONDS if self._offer.pins_known else _PINS_AGAIN_SECONDS)
            for event in waiting:
                event.set()
        return None

    async def _listen(self, connection: Connection) -> None:
        """Where changes must be asked for, ask, and again when that ended."""
        while connection.announces_changes and not connection.ended:
            try:
                await connection.listen()
            except ServerFailed as error:
                _log.debug("mcp_not_listening", server=self.entry.name, problem=str(error))
            await asyncio.sleep(_LISTEN_AGAIN_SECONDS)

    async def _rest_after(self, failure: ServerFailed) -> None:
        """Leave the server alone for a while, unless somebody asks for its tools meanwhile."""
        pause = self._backoff.next_pause()
        self._set(ServerState.FAILED, str(failure))
        _log.warning(
            "mcp_server_failed",
            server=self.entry.name,
            problem=str(failure),
            said=failure.said,
            next_attempt_in=round(pause, 1),
        )
        self._answer_waiting()
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                while not (self._stopping or self._retiring or self._waiting):
                    self._wake.clear()
                    await self._wake.wait()

    def _set(self, state: ServerState, error: str | None) -> None:
        self.state, self._error = state, error
        if state is not ServerState.CONNECTING:
            self.first_attempt.set()
        self._on_change()

    def _answer_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for event in waiting:
            event.set()
