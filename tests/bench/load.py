"""Readers of streams, one or many, that count what reaches them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import ClientSession
from tests.bench.script import MARK, Incomplete, Script
from tests.bench.sides import Ask

_MARK = MARK.encode()


class Crowd:
    """Some streams that are read at the same time."""

    def __init__(self, http: ClientSession, ask: Ask, script: Script, streams: int) -> None:
        self.received = 0
        """Chunks that have reached any of the readers."""
        self._not_begun = streams
        self._begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._readers = [asyncio.create_task(self._read(http, ask, script)) for _ in range(streams)]

    async def all_begun(self) -> None:
        """Wait until every stream has brought its first chunk, or one has failed."""
        await self._begun

    async def ended(self) -> None:
        """Wait until every stream has ended."""
        await asyncio.gather(*self._readers)

    async def leave(self) -> None:
        """Stop reading whatever is still open."""
        for reader in self._readers:
            reader.cancel()
        await asyncio.wait(self._readers)

    async def _read(self, http: ClientSession, ask: Ask, script: Script) -> None:
        try:
            await self._count(http, ask, script)
        except Exception as error:
            if not self._begun.done():
                self._begun.set_exception(error)
            raise

    async def _count(self, http: ClientSession, ask: Ask, script: Script) -> None:
        mine = 0
        async with ask(http, script) as response:
            async for piece in response.content.iter_any():
                chunks = piece.count(_MARK)
                if chunks and not mine:
                    self._not_begun -= 1
                    if not self._not_begun:
                        self._begun.set_result(None)
                mine += chunks
                self.received += chunks
        if mine != script.chunks and (script.chunks is not None or not mine):
            raise Incomplete(f"{mine} of {script.chunks or 'many'} chunks arrived; status {response.status}")


@asynccontextmanager
async def crowd(http: ClientSession, ask: Ask, script: Script, streams: int) -> AsyncIterator[Crowd]:
    """Streams of limited answers, all begun; the end of the block waits for theirs."""
    reading = Crowd(http, ask, script, streams)
    try:
        await reading.all_begun()
        yield reading
        await reading.ended()
    finally:
        await reading.leave()


@asynccontextmanager
async def endless_crowd(
    http: ClientSession, ask: Ask, pause: float, streams: int, release: Callable[[], Awaitable[None]]
) -> AsyncIterator[Crowd]:
    """Streams of endless answers, all begun; the end of the block ends them by `release`."""
    async with crowd(http, ask, Script(pause=pause), streams) as reading:
        yield reading
        await release()
