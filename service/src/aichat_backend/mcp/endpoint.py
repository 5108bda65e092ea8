"""Transports to servers that run elsewhere, over HTTP: what fails there harms one call, and is told exactly."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx2
from mcp.client import sse
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from aichat_backend.mcp.entries import Endpoint, Transport
from aichat_backend.mcp.link import Link
from aichat_backend.mcp.messages import LONGEST

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

NOT_TAKEN = -32_097
"""The code of our own answer to a request that never reached the server, or was turned away at its door."""
BROKEN = -32_098
"""The code of our own answer to a request that may have been worked on."""

_CONNECT_SECONDS = 10.0
_WRITE_SECONDS = 30.0
_EVENT_STREAM = "text/event-stream"

_TIMEOUT = httpx2.Timeout(_WRITE_SECONDS, connect=_CONNECT_SECONDS, read=None, pool=None)
"""No limit for reading: how long a tool may take is decided by its call."""

# Over this transport the SDK has no parameter for the size of an event. Its own limit is 1 MiB, less than a picture may
# have, and whatever is larger ends the connection, with everybody's calls on it.
sse.sse_within_origin = partial(sse.sse_within_origin, max_event_size=LONGEST)  # type: ignore[attr-defined]


def endpoint_transport(
    endpoint: Endpoint, link: Link, *, headers: Mapping[str, str], tls: ssl.SSLContext
) -> AbstractAsyncContextManager[TransportStreams]:
    """The transport that the endpoint speaks, with these headers on each request."""
    if endpoint.transport is Transport.SSE:
        return _sse(endpoint.url, link, headers, tls)
    return _streamable_http(endpoint.url, link, headers, tls)


@asynccontextmanager
async def _streamable_http(
    url: str, link: Link, headers: Mapping[str, str], tls: ssl.SSLContext
) -> AsyncIterator[TransportStreams]:
    async with (
        _Client(link, headers=headers, tls=tls) as client,
        streamable_http_client(url, http_client=client, max_sse_event_size=LONGEST) as streams,
    ):
        yield streams


@asynccontextmanager
async def _sse(url: str, link: Link, ours: Mapping[str, str], tls: ssl.SSLContext) -> AsyncIterator[TransportStreams]:
    def client(
        headers: object = None,  # noqa: ARG001 - the SDK gives none
        timeout: object = None,  # noqa: ARG001 - ours are for streams without an end
        auth: object = None,  # noqa: ARG001
    ) -> httpx2.AsyncClient:
        return _SseClient(link, headers=ours, tls=tls)

    async with sse_client(url, httpx_client_factory=client) as streams:
        yield streams


class _Client(httpx2.AsyncClient):
    """Answers a request itself when the server cannot be reached, or answers below JSON-RPC.

    The SDK would let one request that fails end the connection, with everybody's calls on it.
    """

    def __init__(self, link: Link, *, headers: Mapping[str, str], tls: ssl.SSLContext) -> None:
        # Uncompressed: a small body could otherwise become any number of bytes.
        super().__init__(headers={**headers, "accept-encoding": "identity"}, timeout=_TIMEOUT, verify=tls)
        self._link = link

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send it; a POST that fails is answered with an error of JSON-RPC."""
        try:
            response = await super().send(request, **options)
        except httpx2.TransportError as error:
            if request.method != "POST":
                raise
            self._link.note_silence(what_failed(error))
            return self._failed(request, _code_of(error), self._link.last_trouble)
        content_type = response.headers.get("content-type", "").lower()
        # Many servers refuse the GET that would let them speak unasked, and are well.
        if request.method == "POST":
            self._link.note_answer(response.status_code)
            if response.is_error and not content_type.startswith("application/json"):
                await response.aclose()
                return self._failed(request, BROKEN if response.is_server_error else NOT_TAKEN, self._link.last_trouble)
        if not content_type.startswith(_EVENT_STREAM):
            response.stream = _Limited(response.stream)
        return response

    def _failed(self, request: httpx2.Request, code: int, message: str) -> httpx2.Response:
        answer = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}
        return httpx2.Response(
            httpx2.codes.BAD_GATEWAY,
            headers={"content-type": "application/json"},
            content=json.dumps(answer).encode(),
            request=request,
        )


class _SseClient(_Client):
    """Ends the connection when a message cannot be delivered: nobody would ever answer it, or any later one."""

    def _failed(self, request: httpx2.Request, code: int, message: str) -> httpx2.Response:
        self._link.end(f"it {message}")
        return super()._failed(request, code, message)


class _Limited(httpx2.AsyncByteStream):
    """A body that ends with an error of its own when it grows too long or breaks off.

    The SDK takes that for the end of this answer; another error would end the connection.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        try:
            async for piece in self._stream:
                received += len(piece)
                if received > LONGEST:
                    raise httpx2.StreamError("the answer is too long")
                yield piece
        except httpx2.TransportError as error:
            raise httpx2.StreamError(f"the server {what_failed(error)}") from error

    async def aclose(self) -> None:
        await self._stream.aclose()


def _code_of(error: httpx2.TransportError) -> int:
    unsent = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol)
    return NOT_TAKEN if isinstance(error, unsent) else BROKEN


def what_failed(error: httpx2.TransportError) -> str:
    """In words, as the end of a sentence about the server; no URL."""
    match error:
        case httpx2.ConnectTimeout():
            return "did not take the connection in time"
        case httpx2.ConnectError():
            return "cannot be reached"
        case _:
            return "broke the connection off"
