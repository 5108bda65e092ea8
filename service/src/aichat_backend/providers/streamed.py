"""What providers behind HTTP have in common: a client built when it is needed, and answers read as they come."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, Generic, NamedTuple, Protocol, TypeVar

from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.addresses import without_credentials
from aichat_backend.providers.base import Capabilities, Event, ModelRequest
from aichat_backend.providers.failures import Scrubber, connection_failure
from aichat_backend.providers.limits import MOST_AT_ONCE, Deadlines, TimeLimits

if TYPE_CHECKING:
    from aiohttp import ClientResponse, StreamReader

MAX_RETRIES = 2
NO_KEY = "no-key-needed"
"""What a server that needs no key is told, because SDKs insist on one."""

_LONGEST_WAIT_TO_RETRY = 5
"""Seconds. A person waits for the answer: a server that asks for more patience is reported instead."""
_LAST_BYTES_SECONDS = 0.25
"""How long the end of the response may come after the end of the answer."""

ClientT = TypeVar("ClientT")


class Decoder(Protocol):
    """Turns the bytes of one streamed answer into events; what comes together is told together."""

    done: bool
    """The server said that nothing more will come."""

    def feed(self, piece: bytes) -> Iterable[Event]:
        """What this piece of the answer says.

        Raises:
            ProviderError: when the server reports an error or is not understood; after what was said before that.
        """

    def end(self) -> Iterable[Event]:
        """The stream is over: what was left, then `Finished`.

        Raises:
            ProviderError: when the answer is not complete, or was stopped.
        """


class Answer(NamedTuple):
    """An answer that has begun, and who understands its bytes, none of which has been read."""

    response: ClientResponse
    decoder: Decoder


class StreamedProvider(ABC, Generic[ClientT]):
    """Asks one vendor's API. A key is needed unless another address than the vendor's own is given."""

    name: str
    capabilities: Capabilities = Capabilities()
    _own_url: ClassVar[str]
    _key_variables: ClassVar[str]
    """Where a key may be, in words."""

    def __init__(self, *, api_key: str | None, base_url: str | None = None, limits: TimeLimits | None = None) -> None:
        self._api_key = api_key or None
        self._base_url = base_url or self._own_url
        self._needs_key = not base_url
        self._limits = limits or TimeLimits()
        self._scrub = Scrubber(self._api_key)
        self._client: ClientT | None = None
        self._connecting = asyncio.Lock()

    def problem(self) -> str | None:
        """What an administrator must do before this provider can be asked; None when it is ready."""
        if self._needs_key and self._api_key is None:
            return f"The {self.name} provider has no API key: set {self._key_variables}."
        return None

    async def warm(self) -> None:
        """Import the SDK and build its client, in a thread."""
        if self.problem() is None:
            await self._ready()

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._disconnect(self._client)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Event]:
        """Ask the model and tell its answer as it comes."""
        if (problem := self.problem()) is not None:
            raise ProviderError(ProviderFailure.NOT_CONFIGURED, problem)
        client = await self._ready()
        broken = _broken_connections()
        response: ClientResponse | None = None
        try:
            with Deadlines(self._limits) as deadlines:
                async with deadlines.first_byte():
                    response, decoder = await self._ask(client, request)
                    piece = await response.content.read(MOST_AT_ONCE)
                while piece:
                    for event in decoder.feed(piece):
                        yield event
                    if decoder.done:
                        break
                    piece = await deadlines.read(response.content)
                if decoder.done:
                    with suppress(*broken):
                        await _read_last_bytes(response.content)
                for event in decoder.end():
                    yield event
        except ProviderError as error:
            # Whoever wrote it, it may quote what came from outside.
            error.detail = self._scrub(error.detail)
            raise
        except self._sdk_errors() as error:
            raise self._explain(error, request) from None
        except broken as error:
            raise connection_failure(error, self._scrub) from None
        finally:
            if response is not None:
                response.close()

    @property
    def _api_url(self) -> str:
        """Where an SDK asks. A key takes the place of credentials in the address: there is one header for both."""
        return without_credentials(self._base_url) if self._api_key else self._base_url

    async def _ready(self) -> ClientT:
        async with self._connecting:
            if self._client is None:
                self._client = await self._connect()
            return self._client

    @abstractmethod
    async def _connect(self) -> ClientT:
        """Import the SDK and build its client; the slow part of it in a thread."""

    @abstractmethod
    async def _disconnect(self, client: ClientT) -> None:
        """Close the client's connections."""

    @abstractmethod
    async def _ask(self, client: ClientT, request: ModelRequest) -> Answer:
        """Send the question and wait for the head of the answer."""

    def _sdk_errors(self) -> tuple[type[Exception], ...]:
        """What the SDK, if there is one, raises besides broken connections. It is imported, or nothing was raised."""
        return ()

    def _explain(self, error: Exception, request: ModelRequest) -> ProviderError:  # noqa: ARG002 - others need it
        """What an error of the SDK means to the caller."""
        return ProviderError(ProviderFailure.PROTOCOL, self._scrub(f"{type(error).__name__}: {error}"))


def too_long_to_wait(retry_after: int | None) -> bool:
    """Whether trying again after so many seconds is for the user to decide."""
    return retry_after is not None and retry_after > _LONGEST_WAIT_TO_RETRY


def _broken_connections() -> tuple[type[Exception], ...]:
    """What connections that cannot be made, or break, are raised as."""
    from aiohttp import ClientError

    return (ClientError, OSError)


async def _read_last_bytes(content: StreamReader) -> None:
    """Read what follows the answer, which should be nothing but its end: only then can the connection be used again."""
    async with asyncio.timeout(_LAST_BYTES_SECONDS):
        while await content.readany():
            pass
