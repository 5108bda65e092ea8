"""The bytes of a request's body as they arrive, within limits of size and time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from aichat_backend.errors import InvalidRequest, PayloadTooLarge, TooSlow, UnsupportedMediaType

IDLE_SECONDS = 30.0
"""How long nothing may arrive. The proxy sends bodies when it has them whole."""
TOTAL_SECONDS = 300.0


async def body_of(request: web.Request, limit: int, too_large: PayloadTooLarge | None = None) -> AsyncIterator[bytes]:
    """The body in pieces. One that announces itself as too large is not even begun; `too_large` says so in its way.

    Raises:
        UnsupportedMediaType: it is compressed.
        PayloadTooLarge: it is over the limit.
        InvalidRequest: it breaks off, or its chunks are broken.
        TooSlow: it takes too long.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("The body must be sent as it is, without Content-Encoding.")
    too_large = too_large or PayloadTooLarge(f"The request's body is too large: it may have at most {limit} bytes.")
    if request.content_length is not None and request.content_length > limit:
        raise too_large
    received = 0
    async for piece in _pieces(request):
        received += len(piece)
        if received > limit:
            raise too_large
        yield piece


async def _pieces(request: web.Request) -> AsyncIterator[bytes]:
    if request.content.is_eof() and request.content.exception() is None:
        # It came with the head, as most do: there is nothing to wait for.
        if piece := request.content.read_nowait():
            yield piece
        return
    loop = asyncio.get_running_loop()
    end = loop.time() + TOTAL_SECONDS
    while True:
        try:
            async with asyncio.timeout_at(min(end, loop.time() + IDLE_SECONDS)):
                piece = await request.content.readany()
        except TimeoutError as error:
            raise TooSlow("The request's body takes too long to arrive.") from error
        except web.RequestPayloadError as error:
            raise InvalidRequest("The body does not arrive as its headers say.") from error
        if not piece:
            return
        yield piece
