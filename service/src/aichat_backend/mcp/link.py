"""What lies below a connection: whether it still stands, and what was noticed there that the SDK does not tell."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeAlias

import anyio
from mcp.shared.message import SessionMessage

from aichat_backend.mcp.failures import ServerFailed
from aichat_backend.mcp.text import one_line

if TYPE_CHECKING:
    from mcp.client._transport import ReadStream, TransportStreams

_LONGEST_SAID = 2_000

_Incoming: TypeAlias = SessionMessage | Exception


class Link:
    """Ends once, for the first reason that is given."""

    def __init__(self, on_event: Callable[[], None], last_words: Callable[[], str]) -> None:
        """Keep watch.

        Args:
            on_event: called, from any task, when there is something new to see here.
            last_words: what the server wrote on its way out, if anything.
        """
        self._on_event = on_event
        self._last_words = last_words
        self.reason = ""
        """Why it ended, in words; empty while it stands."""
        self.last_status: int | None = None
        """Of HTTP, when the server's last answer was none that is of use."""
        self.last_trouble = ""
        """How the last request over HTTP failed, in our words, as the end of a sentence about the server."""
        self.tools_changed = False
        """The server said so; whoever lists them next takes it back."""
        self.in_doubt = False
        """A call went wrong in a way that may mean the end; whoever sees that the server answers takes it back."""

    @property
    def ended(self) -> bool:
        """Whether nothing comes through any more."""
        return bool(self.reason)

    def end(self, reason: str) -> None:
        """It is over."""
        if not self.ended:
            self.reason = reason
            self._on_event()

    def note_answer(self, status: int) -> None:
        """The server answered over HTTP."""
        refused = status >= HTTPStatus.MULTIPLE_CHOICES
        self.last_status = status if refused else None
        self.last_trouble = f"answers with HTTP status {status}" if refused else ""

    def note_silence(self, trouble: str) -> None:
        """A request over HTTP got no answer."""
        self.last_status, self.last_trouble = None, trouble

    def note_change(self) -> None:
        """The server's tools have changed."""
        self.tools_changed = True
        self._on_event()

    def note_doubt(self) -> None:
        """Something went wrong that the server should be asked about."""
        self.in_doubt = True
        self._on_event()

    def note_rest(self) -> None:
        """Nothing is under way any more."""
        self._on_event()

    def failed(self, reason: str, *, said: str = "") -> ServerFailed:
        """The failure of the server, with what it said about it and wrote to its standard error last."""
        return ServerFailed(reason, said=one_line(" / ".join(filter(None, (said, self._last_words()))), _LONGEST_SAID))


class _WatchedStream:
    """A read stream whose end is noticed. The SDK would tell of it at the next request only."""

    def __init__(self, stream: ReadStream[_Incoming], link: Link) -> None:
        self._stream = stream
        self._link = link

    @property
    def last_context(self) -> object:
        """The context of whoever sent what was received last, where the stream knows it."""
        return getattr(self._stream, "last_context", None)

    async def receive(self) -> _Incoming:
        try:
            return await self._stream.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            self._link.end("it closed the connection")
            raise

    async def aclose(self) -> None:
        await self._stream.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> _Incoming:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


@asynccontextmanager
async def watched(
    transport: AbstractAsyncContextManager[TransportStreams], link: Link
) -> AsyncIterator[TransportStreams]:
    """The transport, with an eye on its end."""
    async with transport as (read, write):
        yield _WatchedStream(read, link), write
