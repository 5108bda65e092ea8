"""A tool server as the operator described it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from aichat_backend.mcp.interpolation import HeaderValue
from aichat_backend.mcp.policy import ToolRules
from aichat_backend.mcp.problems import Problem

LISTED_FOR_NOBODY = (
    'its tools are listed without the "headers" that have ${user_id}; write ${user_id:NAME} there to list them as NAME'
)


class Transport(StrEnum):
    """How a server is spoken to."""

    STDIO = "stdio"
    SSE = "sse"
    HTTP = "http"


class Command(Struct, frozen=True, kw_only=True):
    """A program to start, and to speak to over its standard input and output."""

    command: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str]
    """What the entry adds to the little that every server gets."""
    folder: str | None = None

    @property
    def transport(self) -> Transport:
        """Always stdio."""
        return Transport.STDIO


class Endpoint(Struct, frozen=True, kw_only=True):
    """A server that runs elsewhere."""

    transport: Transport
    url: str
    headers: Mapping[str, HeaderValue]

    @property
    def is_personal(self) -> bool:
        """Whether each user needs connections of their own, for the sake of a header."""
        return any(value.names_user for value in self.headers.values())

    @property
    def lists_for_nobody(self) -> bool:
        """Whether tools are listed without a header that calls have."""
        return any(value.for_listing() is None for value in self.headers.values())

    def headers_for(self, user_id: str | None) -> dict[str, str]:
        """What goes with each request; without a user, the personal ones that name nobody to list as are left out.

        Raises:
            ValueError: such an id has no place in a header.
        """
        if user_id is None:
            listing = {name: value.for_listing() for name, value in self.headers.items()}
            return {name: value for name, value in listing.items() if value is not None}
        return {name: value.for_user(user_id) for name, value in self.headers.items()}


class ServerEntry(Struct, frozen=True, kw_only=True):
    """A server that can be used. Two equal ones are one: nothing of what its operator wrote has changed."""

    name: str
    description: str
    target: Command | Endpoint
    enabled: bool
    timeout: float | None
    """Seconds that a call may take; None when the entry does not say."""
    rules: ToolRules
    digest: str
    """Of the entry as it is written, before anything is filled in."""
    secrets: tuple[str, ...] = ()
    """What must never be shown."""

    @property
    def transport(self) -> Transport:
        """How it is spoken to."""
        return self.target.transport


class BrokenEntry(Struct, frozen=True, kw_only=True):
    """A server whose entry cannot be used."""

    name: str
    transport: str
    problem: str
    """Names the key and the remedy."""


class Configuration(Struct, frozen=True):
    """All servers, in the order of the file, and what looked odd."""

    entries: tuple[ServerEntry | BrokenEntry, ...] = ()
    problems: tuple[Problem, ...] = ()
    """What cannot be used."""
    warnings: tuple[str, ...] = ()
