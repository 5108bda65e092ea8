"""What is measured: each of these on one relay at a time, everything else being the same."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from aiohttp import ClientSession
from tests.bench.load import Crowd, crowd, endless_crowd
from tests.bench.probe import connected, first_token_seconds
from tests.bench.report import Pair
from tests.bench.script import FOREVER, Script
from tests.bench.sides import Ask, Side, Sides, Stage

_PACED_STREAMS = 20
_PACED_PAUSE = 0.01
_SETTLING_SECONDS = 2.0
"""After that, whatever a question costs once is behind the service, also what it does a moment later."""
_BURST_STREAMS = 4
_BURST_TOGETHER = 64
_OTHERS_PAUSE = 0.05
_BETWEEN_PROBES = 0.01
_WARMING_PROBES = 300
"""A database that has been in use for a while commits in half the time: its log no longer grows."""
_IDLE_SECONDS = 0.5

Measure = Callable[[Side], Awaitable[float]]


@dataclass(frozen=True)
class Effort:
    """How much of everything: more is steadier and takes longer."""

    rounds: int
    """Pairs of windows, for what is measured over and over on one process."""
    starts: int
    """Fresh processes, for what can be measured only once on each."""
    window: float
    burst_chunks: int
    probes: int
    open_streams: int


FULL = Effort(rounds=7, starts=5, window=1.5, burst_chunks=10_000, probes=20, open_streams=200)
QUICK = Effort(rounds=3, starts=2, window=0.8, burst_chunks=5_000, probes=10, open_streams=100)


@dataclass(frozen=True)
class Bench:
    """The measurements on two relays that are running."""

    http: ClientSession
    stage: Stage
    sides: Sides
    effort: Effort

    async def warm(self) -> None:
        """Have imports, connections and caches behind us."""
        for place in (self.sides.direct, self.sides.passthrough, self.sides.service):
            async with crowd(self.http, place.ask, Script(chunks=50), 10):
                pass
            async with connected(place.port) as connection:
                for _ in range(_WARMING_PROBES):
                    await place.probe(connection)

    async def pairs(self, measure: Measure) -> list[Pair]:
        """As many as the effort is worth; each relay comes first as often as the other."""
        return [await self._pair(measure, service_first=bool(number % 2)) for number in range(self.effort.rounds)]

    async def pair(self, measure: Measure) -> Pair:
        """One."""
        return await self._pair(measure, service_first=False)

    async def cpu_one_by_one(self, side: Side) -> float:
        """CPU µs of the relay per chunk, with streams under way whose chunks come one by one."""
        idle = await self._idle_cpu(side)
        async with self._endless(side.ask, _PACED_PAUSE, _PACED_STREAMS) as streams:
            await asyncio.sleep(_SETTLING_SECONDS)
            cpu, chunks = side.process.cpu_seconds(), streams.received
            await asyncio.sleep(self.effort.window)
            cpu, chunks = side.process.cpu_seconds() - cpu, streams.received - chunks
        return (cpu - idle * self.effort.window) / chunks * 1e6

    async def cpu_in_a_burst(self, side: Side) -> float:
        """CPU µs of the relay per chunk, as fast as it can; what streams of a single chunk take is taken off."""
        chunks = self.effort.burst_chunks
        begin_and_end = await self._burst_cpu(side, 1)
        return (await self._burst_cpu(side, 1 + chunks) - begin_and_end) / (chunks * _BURST_STREAMS) * 1e6

    async def first_tokens(self, side: Side, others: int) -> list[float]:
        """Ask one question after another while that many other streams bring a token every 50 ms.

        Milliseconds to the first token. In turn with the relay, upstream is asked directly: what that takes does not
        count, however busy the machine is.
        """
        if not others:
            return await self._probe(side)
        async with self._endless(side.ask, _OTHERS_PAUSE, others):
            return await self._probe(side)

    async def memory_per_stream(self, side: Side) -> float:
        """KiB of the relay per open stream: what many of them add to what it held before."""
        before = side.process.memory_bytes()
        async with self._endless(side.ask, FOREVER, self.effort.open_streams):
            return (side.process.memory_bytes() - before) / self.effort.open_streams / 1024

    async def _pair(self, measure: Measure, *, service_first: bool) -> Pair:
        if service_first:
            service = await measure(self.sides.service)
            return Pair(await measure(self.sides.passthrough), service)
        return Pair(await measure(self.sides.passthrough), await measure(self.sides.service))

    async def _idle_cpu(self, side: Side) -> float:
        """CPU seconds that a second of doing nothing costs."""
        before = side.process.cpu_seconds()
        await asyncio.sleep(_IDLE_SECONDS)
        return (side.process.cpu_seconds() - before) / _IDLE_SECONDS

    async def _burst_cpu(self, side: Side, chunks: int) -> float:
        before = side.process.cpu_seconds()
        async with crowd(self.http, side.ask, Script(chunks, together=_BURST_TOGETHER), _BURST_STREAMS) as streams:
            await streams.ended()
        return side.process.cpu_seconds() - before

    def _endless(self, ask: Ask, pause: float, streams: int) -> AbstractAsyncContextManager[Crowd]:
        return endless_crowd(self.http, ask, pause, streams, lambda: self.stage.release(self.http))

    async def _probe(self, side: Side) -> list[float]:
        direct: list[float] = []
        relayed: list[float] = []
        async with connected(self.sides.direct.port) as upstream, connected(side.port) as relay:
            for _ in range(self.effort.probes):
                direct.append(await first_token_seconds(upstream, self.sides.direct.probe) * 1000)
                await asyncio.sleep(_BETWEEN_PROBES)
                relayed.append(await first_token_seconds(relay, side.probe) * 1000)
                await asyncio.sleep(_BETWEEN_PROBES)
        unavoidable = statistics.median(direct)
        return [time - unavoidable for time in relayed]
