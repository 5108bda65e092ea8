"""The servers of the configuration in force, each with its owner; a new one changes only what is different."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextvars import Context
from typing import TYPE_CHECKING

from aichat_backend.chat.tools import ServerState, ServerStatus, Tool, ToolPolicy
from aichat_backend.mcp.entries import BrokenEntry, Configuration, ServerEntry
from aichat_backend.mcp.names import model_name
from aichat_backend.mcp.text import capped, harmless

if TYPE_CHECKING:
    from aichat_backend.mcp.owner import ServerOwner

_LONGEST_DESCRIPTION = 8_192


class Server:
    """One server: its entry, and who looks after it."""

    def __init__(self, entry: ServerEntry | BrokenEntry) -> None:
        self.entry = entry
        self.owner: ServerOwner | None = None
        """None for one that is switched off or broken, and before it is started."""
        self.problem: str | None = None
        """What is wrong with its entry as it is written now."""
        self.hindrance: str | None = None
        """Why it could not be started when that was tried."""

    @property
    def wants_owner(self) -> bool:
        """Whether it could be started, and is not."""
        return self.owner is None and isinstance(self.entry, ServerEntry) and self.entry.enabled

    @property
    def status(self) -> ServerStatus:
        """How it stands with it."""
        entry = self.entry
        if isinstance(entry, BrokenEntry):
            return ServerStatus(entry.name, entry.transport, ServerState.FAILED, 0, f"its entry: {entry.problem}")
        if self.owner is None:
            return ServerStatus(entry.name, entry.transport, self._state_without_owner, 0, self._problems(None))
        return ServerStatus(
            entry.name,
            entry.transport,
            self.owner.state,
            len(self.owner.tools),
            self._problems(self.owner.last_error),
        )

    @property
    def tools(self) -> Iterator[Tool]:
        """What can be called now; denied tools are left out."""
        for offered in self.owner.tools if self.owner is not None else ():
            if offered.policy is not ToolPolicy.DENY:
                yield Tool(
                    name=model_name(self.entry.name, offered.listed.name),
                    server=self.entry.name,
                    server_name=offered.listed.name,
                    description=capped(harmless(offered.listed.description), _LONGEST_DESCRIPTION),
                    input_schema=offered.listed.input_schema,
                    policy=offered.policy,
                    read_only=offered.read_only,
                    digest=offered.listed.digest,
                )

    @property
    def _state_without_owner(self) -> ServerState:
        if not self.wants_owner:
            return ServerState.DISABLED
        return ServerState.CONNECTING if self.hindrance is None else ServerState.FAILED

    def _problems(self, of_owner: str | None) -> str | None:
        return "; ".join(filter(None, (of_owner, self.hindrance, self._edit_problem))) or None

    @property
    def _edit_problem(self) -> str | None:
        return (
            self.problem and f"its entry was edited and cannot be used, so the one before is in force: {self.problem}"
        )


class Servers:
    """All of them, in the order of the configuration."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._servers: dict[str, Server] = {}
        self._new_owner: Callable[[ServerEntry], ServerOwner] | None = None
        self._leaving: dict[asyncio.Task[None], ServerOwner] = {}

    def __iter__(self) -> Iterator[Server]:
        return iter(self._servers.values())

    def get(self, name: str) -> Server | None:
        """The server of that name."""
        return self._servers.get(name)

    @property
    def owners(self) -> list[ServerOwner]:
        """Of the servers that are at work, or would be if they could."""
        return [server.owner for server in self if server.owner is not None]

    @property
    def in_force(self) -> list[ServerEntry]:
        """The entries that count now, of servers that are switched off too."""
        return [server.entry for server in self if isinstance(server.entry, ServerEntry)]

    @property
    def want_owners(self) -> bool:
        """Whether one is to be started."""
        return any(server.wants_owner for server in self)

    def apply(self, configuration: Configuration) -> None:
        """Put a configuration in force. A server whose entry is the same as before notices nothing."""
        before, self._servers = self._servers, {}
        for entry in configuration.entries:
            self._servers[entry.name] = self._next(before.pop(entry.name, None), entry)
        for server in before.values():
            self._let_go(server)
        self._start_all()
        self._on_change()

    def start(self, new_owner: Callable[[ServerEntry], ServerOwner]) -> None:
        """Start those that are switched on, from now on at once."""
        self._new_owner = new_owner
        self._start_all()
        self._on_change()

    def hinder(self, reason: str) -> list[str]:
        """Have those failed that are to be started and cannot be; their names."""
        hindered = [server for server in self if server.wants_owner]
        for server in hindered:
            server.hindrance = reason
        self._on_change()
        return [server.entry.name for server in hindered]

    async def stop(self) -> None:
        """Stop all of them now."""
        leaving = list(self._leaving)
        await asyncio.gather(*(owner.stop() for owner in (*self.owners, *self._leaving.values())))
        if leaving:
            await asyncio.wait(leaving)

    def _next(self, old: Server | None, entry: ServerEntry | BrokenEntry) -> Server:
        """What follows on a server whose entry is now this."""
        if old is not None and isinstance(old.entry, ServerEntry):
            if isinstance(entry, BrokenEntry):
                old.problem = entry.problem
                return old
            if old.entry == entry:
                old.problem = None
                return old
        if old is not None:
            self._let_go(old)
        return Server(entry)

    def _let_go(self, server: Server) -> None:
        """Let its owner leave once the calls that are under way have ended."""
        if server.owner is not None:
            leaving = asyncio.create_task(
                server.owner.retire(), name=f"mcp {server.entry.name} leaving", context=Context()
            )
            self._leaving[leaving] = server.owner
            leaving.add_done_callback(self._leaving.pop)

    def _start_all(self) -> None:
        if self._new_owner is None:
            return
        for server in self:
            if server.wants_owner and isinstance(server.entry, ServerEntry):
                server.hindrance = None
                server.owner = self._new_owner(server.entry)
                server.owner.start()
