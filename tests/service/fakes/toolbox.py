"""Tools that do what a test tells them to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aichat_backend.chat.approvals import digest
from aichat_backend.chat.tools import ServerStatus, Tool, ToolOutcome, ToolPolicy

Behaviour = Callable[[Mapping[str, Any]], Awaitable[ToolOutcome]]


def tool(
    name: str = "query",
    *,
    policy: ToolPolicy = ToolPolicy.ASK,
    read_only: bool = False,
    description: str = "Runs a query.",
) -> Tool:
    """A tool of the server `fake`."""
    return Tool(
        name=name,
        server="fake",
        server_name=name,
        description=description,
        input_schema={"type": "object", "properties": {}},
        policy=policy,
        read_only=read_only,
        digest=digest(f"{name} {description}"),
    )


@dataclass
class FakeToolbox:
    """Answers calls with what the test set for the tool; otherwise with its name."""

    offered: list[Tool] = field(default_factory=list)
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)
    """Tool, arguments and user of every call."""
    refreshed: int = 0
    trouble: str | None = None
    on_the_way: asyncio.Event | None = None
    """Set when the servers have connected."""
    reached_for: list[frozenset[str]] = field(default_factory=list)
    """The tools whose servers were waited for."""
    away: set[str] = field(default_factory=set)
    """Tools whose servers cannot be reached."""

    def tools(self) -> Sequence[Tool]:
        """What the test offers."""
        return tuple(offered for offered in self.offered if offered.policy is not ToolPolicy.DENY)

    def servers(self) -> Sequence[ServerStatus]:
        """None."""
        return ()

    def problem(self) -> str | None:
        """What the test set as `trouble`."""
        return self.trouble

    def connect(self) -> None:
        """All there is has been there from the beginning."""

    async def settled(self, patience: float) -> None:  # noqa: ARG002
        """When the test says so, if it has a say."""
        if self.on_the_way is not None:
            await self.on_the_way.wait()

    async def reach(self, names: Collection[str]) -> Collection[str]:
        """When the test says so, if it has a say."""
        self.reached_for.append(frozenset(names))
        if self.on_the_way is not None:
            await self.on_the_way.wait()
        return self.away & set(names)

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, user_id: str) -> ToolOutcome:
        """Remember the call and behave."""
        self.calls.append((tool.name, dict(arguments), user_id))
        behaviour = self.behaviours.get(tool.name)
        return await behaviour(arguments) if behaviour else ToolOutcome(f"{tool.name} was run")

    async def refresh(self) -> None:
        """Count."""
        self.refreshed += 1


class Gate:
    """A tool that waits until the test lets it go on."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.left = asyncio.Event()
        self.outcome: asyncio.Future[ToolOutcome] = asyncio.get_running_loop().create_future()

    async def __call__(self, _arguments: Mapping[str, Any]) -> ToolOutcome:
        self.reached.set()
        try:
            return await self.outcome
        except asyncio.CancelledError:
            self.left.set()
            raise
