"""Tools as the conversation sees them, and what it asks of whoever runs them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol

from msgspec import Struct


class ToolPolicy(StrEnum):
    """What the operator decided on a tool."""

    DENY = "deny"
    """The model does not even learn of it."""
    ASK = "ask"
    """The user decides on every call."""
    AUTO = "auto"
    """It runs without a question."""


class Tool(Struct, frozen=True, kw_only=True):
    """A tool that can be called now."""

    name: str
    """Under which models know it: fit for every provider, unique, the same as long as its server offers it."""
    server: str
    server_name: str
    """What its server calls it."""
    description: str
    input_schema: Mapping[str, Any]
    policy: ToolPolicy = ToolPolicy.ASK
    """In effect now: pins and the server's trust are already reckoned in."""
    read_only: bool = False
    """It changes nothing; said by the operator, or by a server that the operator trusts."""
    digest: str
    """Of its name, description and schema: an approval is bound to it."""


class ToolFile(Struct, frozen=True):
    """A file that a tool returned."""

    filename: str
    mime_type: str
    data: bytes


class ToolOutcome(Struct, frozen=True):
    """What a call came to. A failure is told in words that help the model to go on."""

    text: str
    """Capped in length."""
    is_error: bool = False
    files: tuple[ToolFile, ...] = ()


class ServerState(StrEnum):
    """How it stands with a tool server."""

    DISABLED = "disabled"
    CONNECTING = "connecting"
    READY = "ready"
    FAILED = "failed"
    """It could not be reached, or died; it is tried again after a while."""


class ServerStatus(Struct, frozen=True):
    """A tool server as every user may see it: no secret, no path of ours, no word of the server itself."""

    name: str
    transport: str
    state: ServerState
    tools: int
    """How many it offers."""
    last_error: str | None = None


class Toolbox(Protocol):
    """Every tool server there is. Nothing here waits for a server unless it says so."""

    def tools(self) -> Sequence[Tool]:
        """What can be called now, in a stable order; denied tools are left out."""

    def servers(self) -> Sequence[ServerStatus]:
        """Every server of the configuration, in its order."""

    def problem(self) -> str | None:
        """What an administrator must mend: no path, no value. None when all is well."""

    def connect(self) -> None:
        """Have the servers started, in the background. Waiting for them, or a refresh, does so too."""

    async def settled(self, patience: float) -> None:
        """Wait, for so many seconds at most, until no server is connecting for the first time since the start."""

    async def reach(self, names: Collection[str]) -> Collection[str]:
        """Wait for the servers of these tools, within a bounded time; one that failed is tried at once.

        The answer is which of the tools are away although their servers are in use: they may come back.
        """

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, user_id: str) -> ToolOutcome:
        """Run a tool once, within its server's time limit; whatever goes wrong is an outcome.

        Cancelling the call tells the server so.
        """

    async def refresh(self) -> None:
        """Read the configuration again and ask every server for its tools, within a bounded time.

        Calls under way are not disturbed.
        """


class ToolPins(Protocol):
    """What each tool was when the operator's entry for its server was first used. What changed since is asked for.

    Raises:
        Unavailable: when the database does not answer.
    """

    async def pinned(self, server: str, entry_digest: str) -> Mapping[str, str]:
        """Tool (as its server calls it) → digest, under that state of the server's entry in the configuration."""

    async def pin(self, server: str, entry_digest: str, digests: Mapping[str, str]) -> None:
        """Remember tools that are new; those that are pinned already stay as they are."""

    async def note_changes(self, server: str, entry_digest: str, digests: Mapping[str, str]) -> None:
        """Put into the audit trail that these tools are not what they were, or were not there."""


class ServerPolicy(Struct, frozen=True, kw_only=True):
    """What the operator's entry for a server says on it, for the audit trail: nothing that may be secret."""

    server: str
    entry_digest: str
    """Of the entry as it is written: another one is another policy."""
    enabled: bool
    trusted: bool
    default: ToolPolicy | None
    """For tools that `by_tool` says nothing on."""
    by_tool: Mapping[str, ToolPolicy]
    read_only: Sequence[str]


class PolicyTrail(Protocol):
    """Keeps in mind which policies were in force last, whichever process noted them.

    Raises:
        Unavailable: when the database does not answer.
    """

    async def note(self, in_force: Sequence[ServerPolicy]) -> None:
        """Put into the audit trail what is not as it was when that was last done: one entry for each such server."""


class NoTools:
    """A toolbox without tools."""

    def tools(self) -> Sequence[Tool]:
        """None."""
        return ()

    def servers(self) -> Sequence[ServerStatus]:
        """None."""
        return ()

    def problem(self) -> str | None:
        """Nothing can be wrong."""
        return None

    def connect(self) -> None:
        """There is nothing to start."""

    async def settled(self, patience: float) -> None:
        """Nothing to wait for."""

    async def reach(self, names: Collection[str]) -> Collection[str]:  # noqa: ARG002
        """Nothing will come."""
        return ()

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, user_id: str) -> ToolOutcome:  # noqa: ARG002
        """There is nothing to call."""
        return ToolOutcome(f"There is no tool {tool.name}.", is_error=True)

    async def refresh(self) -> None:
        """Nothing to read."""
