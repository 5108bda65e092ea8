"""Opens connections. Importing this module imports the SDK, which takes a while: do it in a thread."""

from __future__ import annotations

import logging
import math
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import httpx2
import structlog
from mcp import Client, MCPError
from mcp.client import IncomingMessage
from mcp_types import Implementation, ToolListChangedNotification
from msgspec import Struct

from aichat_backend import __version__
from aichat_backend.mcp.connection import Connection
from aichat_backend.mcp.endpoint import NOT_TAKEN, endpoint_transport, what_failed
from aichat_backend.mcp.entries import LISTED_FOR_NOBODY, Command, Endpoint, ServerEntry, Transport
from aichat_backend.mcp.failures import ServerFailed
from aichat_backend.mcp.link import Link, watched
from aichat_backend.mcp.npx import NpxInstallations
from aichat_backend.mcp.redaction import Redactor
from aichat_backend.mcp.stderr import StderrTail
from aichat_backend.mcp.stdio import stdio_transport
from aichat_backend.mcp.text import one_line

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

CONNECT_SECONDS = 30.0
"""A server is first asked in the newer protocol, which an older one may leave unanswered for ten seconds."""

START_SECONDS = 180.0
"""A server that we start may have to download its package first, over whatever network, on however busy a machine."""

_log = structlog.get_logger(__name__)

_SDK_LOGGERS = ("mcp", "client")
"""They log messages as errors, with tool arguments and results in them; what matters of it we tell ourselves."""

_LONGEST_REASON = 600
_UNREACHED = 'it cannot be reached: is it running, and is the entry\'s "url" right?'


class Means(Struct, frozen=True, kw_only=True):
    """What every connection is made with."""

    environment: Mapping[str, str]
    """Of this process."""
    tls: ssl.SSLContext
    output_bytes: int
    """The most of a tool's output that a model gets."""
    npx: NpxInstallations


def load_means(environment: Mapping[str, str], output_bytes: int) -> Means:
    """Read the certificates, which blocks for a moment, and keep the SDK from logging what passes through it."""
    for name in _SDK_LOGGERS:
        if not logging.getLogger(name).isEnabledFor(logging.DEBUG):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    return Means(
        environment=environment,
        tls=httpx2.create_ssl_context(),
        output_bytes=output_bytes,
        npx=NpxInstallations(environment),
    )


@asynccontextmanager
async def open_connection(
    entry: ServerEntry, *, means: Means, on_event: Callable[[], None], user_id: str | None = None
) -> AsyncIterator[Connection]:
    """A connection to the server; with a user, theirs alone. Enter and leave it in one task, and raise nothing inside.

    Args:
        entry: the server.
        means: what every connection is made with.
        on_event: called, from any task, when there is something new to see on the connection.
        user_id: whose connection it is, if their id is in a header.

    Raises:
        ServerFailed: it cannot be reached, does not answer, or the connection broke in an unusual way.
    """
    redact = Redactor(entry.secrets)
    stderr = StderrTail(entry.name, redact)
    link = Link(on_event, lambda: stderr.last_words)
    patience = START_SECONDS if isinstance(entry.target, Command) else CONNECT_SECONDS
    try:
        with anyio.CancelScope(deadline=anyio.current_time() + patience) as connecting:
            async with (
                _start(entry, means) as start,
                Client(
                    watched(_transport(entry, means, link, stderr, user_id), link),
                    message_handler=_Listener(link),
                    client_info=Implementation(name="aichat-backend", version=__version__),
                    cache=None,
                ) as client,
            ):
                connecting.deadline = math.inf
                await start.aclose()
                yield Connection(
                    entry.name,
                    client,
                    link,
                    redact=redact,
                    output_bytes=means.output_bytes,
                )
    except Exception as error:
        raise _failure(error, entry, link, redact) from error
    if connecting.cancelled_caught:
        raise link.failed(f"it did not answer within {patience:g} s")


class _Listener:
    """Hears what the server says unasked."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def __call__(self, message: IncomingMessage) -> None:
        if isinstance(message, ToolListChangedNotification):
            self._link.note_change()


@asynccontextmanager
async def _start(entry: ServerEntry, means: Means) -> AsyncIterator[AsyncExitStack]:
    """What a server's start needs around it; to be closed as soon as the server answers."""
    async with AsyncExitStack() as start:
        if isinstance(entry.target, Command):
            await start.enter_async_context(means.npx.start_of(entry.target))
        yield start


def _transport(
    entry: ServerEntry, means: Means, link: Link, stderr: StderrTail, user_id: str | None
) -> AbstractAsyncContextManager[TransportStreams]:
    if isinstance(entry.target, Command):
        return stdio_transport(entry.target, link, ours=means.environment, on_stderr=stderr.feed)
    return endpoint_transport(entry.target, link, headers=entry.target.headers_for(user_id), tls=means.tls)


def _failure(error: Exception, entry: ServerEntry, link: Link, redact: Redactor) -> ServerFailed:
    """What went wrong, in our words: no URL, no path."""
    match _first(error):
        case ServerFailed() as failed:
            return failed
        case httpx2.HTTPStatusError() as refused:
            return ServerFailed(_answered_with(refused.response.status_code, entry))
        case httpx2.ConnectError():
            return ServerFailed(_UNREACHED)
        case httpx2.TransportError() as broken:
            return ServerFailed(f"it {what_failed(broken)}")
        case MCPError() if link.ended:
            return link.failed(link.reason)
        case MCPError(code=code) if code == NOT_TAKEN and link.last_status is None:
            return ServerFailed(_UNREACHED)
        case MCPError() if link.last_status is not None:
            return ServerFailed(_answered_with(link.last_status, entry))
        case MCPError() if link.last_trouble:
            return ServerFailed(f"it {link.last_trouble}")
        case MCPError() as refused:
            return link.failed("it refused the connection", said=one_line(redact(refused.message), _LONGEST_REASON))
        case other:
            # Its words may name a URL or a path.
            _log.warning(
                "mcp_connection_broke", server=entry.name, problem=one_line(redact(repr(other)), _LONGEST_REASON)
            )
            return link.failed(f"the connection failed ({type(other).__name__}); the log tells more")


def _first(error: BaseException) -> BaseException:
    """The first of the errors that were gathered on the way."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _answered_with(status: int, entry: ServerEntry) -> str:
    told = f"it answers with HTTP status {status}"
    match status:
        case 301 | 302 | 303 | 307 | 308:
            return f'{told}: a redirect to another server is not followed; check the entry\'s "url"'
        case 401 | 403 if isinstance(entry.target, Endpoint) and entry.target.lists_for_nobody:
            return f"{told}: {LISTED_FOR_NOBODY}"
        case 401 | 403:
            return f'{told}: check what the entry sends as "headers"'
        case 400 | 404 | 405 | 406 | 415 if entry.transport is Transport.HTTP:
            return f'{told}: check the entry\'s "url"; a server that speaks SSE needs "type": "sse"'
        case 404 | 405 | 406:
            return f'{told}: check the entry\'s "url"; a server that speaks streamable HTTP needs "type": "http"'
        case _:
            return told
