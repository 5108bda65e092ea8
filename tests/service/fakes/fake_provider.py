"""A vendor that says what a test tells it to, on a real socket of this machine."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from fakes.openai_wire import Act, Reply

_TURNS_TO_ARRIVE = 6
"""Turns of the event loop in which written bytes reach a reader in the same loop."""


@dataclass
class Exchange:
    """One request as it arrived, and what became of it."""

    path: str
    """With its query."""
    headers: Mapping[str, str]
    body: dict[str, Any]
    peer: tuple[str, int]
    """The client's end of the connection."""
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the client goes away before the reply is over."""


class FakeProvider:
    """Answers every POST by script."""

    def __init__(self, reply: Reply) -> None:
        """The reply is for when there is no script."""
        self.exchanges: list[Exchange] = []
        self.base_url = ""
        self._script: deque[Reply] = deque([reply])
        self._arrived = asyncio.Event()

    def script(self, *replies: Reply) -> None:
        """What to reply to the next requests, in this order; the last one is repeated."""
        self._script = deque(replies)

    @property
    def last(self) -> Exchange:
        """The latest request."""
        return self.exchanges[-1]

    async def request_arrived(self) -> Exchange:
        """Wait for a request, unless there was one, and give the latest."""
        await self._arrived.wait()
        return self.last

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Record the request and play the next reply."""
        exchange = Exchange(request.path_qs, request.headers.copy(), await request.json(), _peer(request))
        self.exchanges.append(exchange)
        self._arrived.set()
        reply = self._script.popleft() if len(self._script) > 1 else self._script[0]
        try:
            return await _play(reply, request)
        except (asyncio.CancelledError, ConnectionError):
            exchange.left.set()
            raise


async def _play(reply: Reply, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    for step in reply.steps:
        if step is Act.HANG:
            await asyncio.Event().wait()
        elif step is Act.DROP:
            assert request.transport is not None
            request.transport.abort()
        else:
            assert isinstance(step, bytes)
            if not response.prepared:
                await response.prepare(request)
            if step:
                await response.write(step)
            # So that each write is one read at the other end, and tests of boundaries test what they say.
            for _ in range(_TURNS_TO_ARRIVE):
                await asyncio.sleep(0)
    return response


def _peer(request: web.Request) -> tuple[str, int]:
    assert request.transport is not None
    host, port = request.transport.get_extra_info("peername")[:2]
    return host, port


@asynccontextmanager
async def running(fake: FakeProvider, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
    """The fake as a server, for HTTPS if so; `base_url` is what `AICHAT_LLM_BASE_URL` would be."""
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/{path:.*}", fake.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    host, port = runner.addresses[0][:2]
    fake.base_url = f"{'https' if tls else 'http'}://{host}:{port}"
    try:
        yield
    finally:
        await runner.cleanup()
