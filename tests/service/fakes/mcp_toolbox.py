"""Toolboxes for tests, and what they leave behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from blockbuster import blockbuster_ctx

from aichat_backend.chat.tools import ServerPolicy, ServerStatus, Tool, ToolOutcome
from aichat_backend.mcp.backoff import Backoff
from aichat_backend.mcp.toolbox import McpToolbox
from aichat_backend.telemetry.metrics import Metrics

PATIENCE_SECONDS = 30.0


class MemoryPins:
    """Pins that last as long as the test; they can be made to fail."""

    def __init__(self) -> None:
        self.pins: dict[tuple[str, str], dict[str, str]] = {}
        self.failure: Exception | None = None
        self.changes: list[tuple[str, str]] = []
        """Server and tool of each change that was noted."""

    async def pinned(self, server: str, entry_digest: str) -> Mapping[str, str]:
        if self.failure is not None:
            raise self.failure
        return dict(self.pins.get((server, entry_digest), {}))

    async def pin(self, server: str, entry_digest: str, digests: Mapping[str, str]) -> None:
        held = self.pins.setdefault((server, entry_digest), {})
        held.update({tool: digest for tool, digest in digests.items() if tool not in held})

    async def note_changes(self, server: str, entry_digest: str, digests: Mapping[str, str]) -> None:  # noqa: ARG002
        self.changes += [(server, tool) for tool in digests]


class MemoryPolicies:
    """What was noted of policies, each time; it can be made to fail."""

    def __init__(self) -> None:
        self.noted: list[Sequence[ServerPolicy]] = []
        self.failure: Exception | None = None
        self.attempts = 0

    async def note(self, in_force: Sequence[ServerPolicy]) -> None:
        self.attempts += 1
        if self.failure is not None:
            raise self.failure
        self.noted.append(in_force)


class Workshop:
    """A toolbox with its configuration, and shorthands for what tests ask of it."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.file = folder / "mcp-servers.json"
        self.pins = MemoryPins()
        self.policies = MemoryPolicies()
        self.metrics = Metrics()
        self.toolbox = McpToolbox(
            self.file,
            pins=self.pins,
            policies=self.policies,
            metrics=self.metrics,
            timeout=20,
            output_bytes=32_768,
            environment=environment,
            new_backoff=lambda: Backoff(0.01, 0.05),
        )

    def write(self, **servers: Mapping[str, Any]) -> None:
        """The configuration, as a file."""
        self.file.write_text(json.dumps({"mcpServers": servers}))

    async def edit(self, **servers: Mapping[str, Any]) -> None:
        """Another configuration, in force."""
        await asyncio.to_thread(self.write, **servers)
        await self.toolbox.reload()

    def tool(self, name: str, server: str | None = None) -> Tool:
        """The one that its server calls by that name."""
        (found,) = (tool for tool in self.toolbox.tools() if tool.server_name == name and server in (None, tool.server))
        return found

    def names(self) -> list[str]:
        """The tools' names at their servers."""
        return [tool.server_name for tool in self.toolbox.tools()]

    def status(self, name: str) -> ServerStatus:
        (found,) = (status for status in self.toolbox.servers() if status.name == name)
        return found

    async def call(self, name: str, arguments: Mapping[str, Any] | None = None, *, user_id: str = "1") -> ToolOutcome:
        """Call a tool that is there."""
        return await self.toolbox.call(self.tool(name), arguments or {}, user_id=user_id)

    def calls(self, server: str, outcome: str) -> float:
        """How many the metrics have counted."""
        return (
            self.metrics.registry.get_sample_value("aichat_tool_calls_total", {"server": server, "outcome": outcome})
            or 0.0
        )

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until it holds; for what no event tells."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    async def until_state(self, name: str, state: str) -> ServerStatus:
        """Wait until the server is so."""
        await self.until(lambda: self.status(name).state == state)
        return self.status(name)


@asynccontextmanager
async def workshop(
    folder: Path, servers: Mapping[str, Mapping[str, Any]], environment: Mapping[str, str]
) -> AsyncIterator[Workshop]:
    """A toolbox that has been started with these servers, and has tried each of them.

    Whatever blocks the event loop meanwhile fails the test.
    """
    made = Workshop(folder, environment)
    await asyncio.to_thread(made.write, **servers)
    await made.toolbox.start()
    try:
        await made.toolbox.settled(10)
        with blockbuster_ctx("aichat_backend"):
            yield made
    finally:
        await made.toolbox.aclose()


OpenWorkshop = Callable[..., AbstractAsyncContextManager[Workshop]]
"""Opens a workshop with servers by their names."""
