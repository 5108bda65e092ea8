"""Every tool server of the configuration, as the one toolbox of the conversation."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from contextvars import Context
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import structlog

from aichat_backend.chat.tools import (
    PolicyTrail,
    ServerState,
    ServerStatus,
    Tool,
    ToolOutcome,
    ToolPins,
)
from aichat_backend.mcp.backoff import Backoff
from aichat_backend.mcp.configuration import read_configuration
from aichat_backend.mcp.failures import CallFailed, NotRun, Unknown
from aichat_backend.mcp.names import may_be_of
from aichat_backend.mcp.policy_notes import PolicyNotes
from aichat_backend.mcp.problems import FileProblem, Problem
from aichat_backend.mcp.servers import Server, Servers
from aichat_backend.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from aichat_backend.mcp.owner import ServerOwner

_REFRESH_SECONDS = 10.0
_REACH_SECONDS = 45.0
"""More than it takes a server to connect, or to fail in it."""
_AWAY = (ServerState.CONNECTING, ServerState.FAILED)
_NOT_LOADED = (
    "the service cannot load what it starts tool servers with; its log tells why (mcp_not_loaded). "
    "Mend that, then refresh the tools or restart the service"
)

_log = structlog.get_logger(__name__)


class McpToolbox:
    """The tool servers of one configuration file; empty until it is started."""

    def __init__(
        self,
        file: Path,
        *,
        pins: ToolPins,
        policies: PolicyTrail,
        metrics: Metrics,
        timeout: float,
        output_bytes: int,
        environment: Mapping[str, str] | None = None,
        new_backoff: Callable[[], Backoff] = Backoff,
    ) -> None:
        """Prepare; nothing is read or started yet.

        Args:
            file: the servers; one that is not there has none.
            pins: remembers what tools were.
            policies: is told which entries are in force.
            metrics: what Prometheus scrapes.
            timeout: seconds that a call may take where its server's entry does not say.
            output_bytes: the most of a tool's output that a model gets.
            environment: what the file may refer to; this process's own, unless another is given.
            new_backoff: for each server, how long it is left alone after a failure.
        """
        self._file = file
        self._pins = pins
        self._policies = PolicyNotes(policies)
        self._metrics = metrics
        self._timeout = timeout
        self._output_bytes = output_bytes
        self._environment = os.environ if environment is None else environment
        self._new_backoff = new_backoff
        self._servers = Servers(self._look_again)
        self._problems: tuple[Problem, ...] = ()
        self._warnings: tuple[str, ...] = ()
        self._tools: dict[str, Tool] = {}
        self._reloading = asyncio.Lock()
        self._loading: asyncio.Task[None] | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self._next_refresh: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the configuration. Its servers are left to `connect`, or to who needs them before."""
        async with self._reloading:
            await self._read()

    def connect(self) -> None:
        """Have the servers started that are switched on; does not wait for any."""
        if self._loading is None:
            self._begin_to_load()

    async def aclose(self) -> None:
        """Stop all servers; takes a few seconds at most. Calls under way are lost."""
        for refreshing in (self._refreshing, self._next_refresh):
            if refreshing is not None:
                refreshing.cancel()
                await asyncio.wait({refreshing})
        async with self._reloading:
            if self._loading is not None:
                await asyncio.wait({self._loading})
            await self._servers.stop()
            await self._policies.aclose()

    def tools(self) -> Sequence[Tool]:
        """What can be called now, in the order of the configuration; denied tools are left out."""
        return tuple(self._tools.values())

    def servers(self) -> Sequence[ServerStatus]:
        """Every server of the configuration, in its order."""
        return tuple(server.status for server in self._servers)

    def problem(self) -> str | None:
        """What an administrator must mend, in the configuration and with the servers; no path, no value."""
        wrong = [f"{self._file.name}: {problem.message}" for problem in self._problems]
        statuses = self.servers()
        if down := [status.name for status in statuses if status.state is ServerState.FAILED]:
            wrong.append(f"{len(down)} of {len(statuses)} servers failed: {', '.join(down)}")
        return "; ".join(wrong) or None

    async def settled(self, patience: float) -> None:
        """Wait, for so many seconds at most, until no server is connecting for the first time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._loaded()
                for owner in self._servers.owners:
                    await owner.first_attempt.wait()

    async def reach(self, names: Collection[str]) -> Collection[str]:
        """Wait for the servers of these tools, within a bounded time; one that failed is tried at once.

        The answer is which of the tools are away although their servers are in use: they may come back.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(_REACH_SECONDS):
                await self._loaded()
                owners = {away.owner for name in names for away in self._away(name) if away.owner is not None}
                await asyncio.gather(*(owner.list_again() for owner in owners))
        return {name for name in names if any(self._away(name))}

    async def reload(self) -> None:
        """Read the configuration again. What is the same as before goes on; what is broken stays as it was."""
        async with self._reloading:
            await self._read()
            if self._loading is None or self._loading.done():
                self._begin_to_load()

    async def refresh(self) -> None:
        """Read the configuration again and ask every server for its tools, within a bounded time.

        Calls under way are not disturbed. However many ask at once, servers are asked once more at most.
        """
        if self._next_refresh is None:
            self._next_refresh = asyncio.create_task(
                self._refresh_after(self._refreshing), name="refresh tools", context=Context()
            )
        await asyncio.shield(self._next_refresh)

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, user_id: str) -> ToolOutcome:
        """Run a tool once, within its server's time limit; whatever goes wrong is an outcome.

        Cancelling the call tells the server so.
        """
        began = monotonic()
        ended = "cancelled"
        try:
            outcome = await self._call(tool, arguments, user_id)
            ended = "error" if outcome.is_error else "ok"
        except CallFailed as error:
            ended = error.outcome
            outcome = ToolOutcome(str(error), is_error=True)
        except Exception as error:  # noqa: BLE001 - the conversation goes on, whatever a server brings about
            ended = Unknown.outcome
            _log.error("mcp_call_failed", server=tool.server, tool=tool.server_name, exc_info=error)
            outcome = ToolOutcome(
                "The call failed in an unexpected way; whether the tool ran is unknown.", is_error=True
            )
        finally:
            seconds = monotonic() - began
            self._metrics.tool_calls.labels(tool.server, ended).inc()
            self._metrics.tool_seconds.labels(tool.server).observe(seconds)
            _log.info("mcp_call", server=tool.server, tool=tool.server_name, outcome=ended, seconds=round(seconds, 3))
        return outcome

    async def _call(self, tool: Tool, arguments: Mapping[str, Any], user_id: str) -> ToolOutcome:
        server = self._servers.get(tool.server)
        if server is None or server.owner is None or server.owner.state is not ServerState.READY:
            raise NotRun("The tool did not run: its server is not available at the moment.")
        offered = self._tools.get(tool.name)
        if offered is None or offered.digest != tool.digest:
            raise NotRun("The tool did not run: it was changed, removed or denied meanwhile.")
        return await server.owner.call(
            tool.server_name,
            tool.digest,
            arguments,
            user_id=user_id,
            seconds=server.owner.entry.timeout or self._timeout,
        )

    async def _refresh_after(self, other: asyncio.Task[None] | None) -> None:
        """Begin when the other refresh has ended: it may have read the file before whoever asks now has edited it."""
        if other is not None:
            await asyncio.wait({other})
        self._refreshing, self._next_refresh = self._next_refresh, None
        await self.reload()
        with suppress(TimeoutError):
            async with asyncio.timeout(_REFRESH_SECONDS):
                await self._loaded()
                await asyncio.gather(*(owner.list_again() for owner in self._servers.owners))

    async def _read(self) -> None:
        try:
            configuration = await asyncio.to_thread(read_configuration, self._file, self._environment)
        except FileProblem as error:
            self._tell((Problem(str(error)),), self._warnings)
        else:
            self._tell(configuration.problems, configuration.warnings)
            self._servers.apply(configuration)
        self._policies.tell(self._servers.in_force)

    def _begin_to_load(self) -> None:
        """Unless all servers are in hand already."""
        if self._servers.want_owners:
            # In a context of its own: a request may have asked for it.
            self._loading = asyncio.create_task(self._load(), name="load the MCP SDK", context=Context())

    async def _load(self) -> None:
        """Import the SDK, which takes half a second, where it keeps nobody waiting; then start the servers."""
        try:
            new_owner = await asyncio.to_thread(_owner_factory, self._environment, self._output_bytes)
        except Exception as error:  # noqa: BLE001 - without tools the service is worth more than not at all
            hindered = self._servers.hinder(_NOT_LOADED)
            _log.error("mcp_not_loaded", servers=hindered, exc_info=error)
            return
        self._servers.start(
            lambda entry: new_owner(entry, pins=self._pins, on_change=self._look_again, backoff=self._new_backoff())
        )

    def _away(self, name: str) -> Iterator[Server]:
        """The servers, not there now, that a tool without a server may be of."""
        if name not in self._tools:
            for server in self._servers:
                if server.status.state in _AWAY and may_be_of(name, server.entry.name):
                    yield server

    async def _loaded(self) -> None:
        """Wait until the SDK is there and owners have the servers in hand."""
        self.connect()
        if self._loading is not None:
            await asyncio.wait({self._loading})

    def _look_again(self) -> None:
        """Gather the tools of all servers: something has changed."""
        self._tools = {}
        for server in self._servers:
            for tool in server.tools:
                if tool.name in self._tools:
                    _log.warning("mcp_tool_left_out", server=tool.server, tool=tool.server_name, problem="same name")
                else:
                    self._tools[tool.name] = tool
        states = Counter(server.status.state for server in self._servers)
        for state in ServerState:
            self._metrics.tool_servers.labels(state.value).set(states[state])

    def _tell(self, problems: tuple[Problem, ...], warnings: tuple[str, ...]) -> None:
        """Log what was not known before."""
        for problem in problems:
            if problem not in self._problems:
                _log.error(
                    "mcp_configuration_problem", file=str(self._file), problem=problem.message, about=problem.detail
                )
        for warning in warnings:
            if warning not in self._warnings:
                _log.warning("mcp_configuration_warning", file=str(self._file), problem=warning)
        self._problems, self._warnings = problems, warnings


def _owner_factory(environment: Mapping[str, str], output_bytes: int) -> Callable[..., ServerOwner]:
    from aichat_backend.mcp.owner import ServerOwner, load_opener

    return partial(ServerOwner, opener=load_opener(environment, output_bytes))
