"""`python -m tests.bench [--quick] [--json FILE]`, from the repository's root."""

from __future__ import annotations

import argparse
import asyncio
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import uvloop
from aiohttp import ClientSession, ClientTimeout, TCPConnector
from tests.bench.load import Incomplete
from tests.bench.measurements import FULL, QUICK, Bench, Effort
from tests.bench.processes import StartFailed
from tests.bench.report import Figure, as_json, as_table, report
from tests.bench.sides import Side, start_sides

_LONGEST_RUN = 90.0
_BUSY = (0, 50)
"""How many other streams are open while the time to the first token is measured."""


def main() -> int:
    """Measure, print, and tell by the exit status whether that worked."""
    parser = argparse.ArgumentParser(prog="bench", description=sys.modules["tests.bench"].__doc__)
    parser.add_argument("--quick", action="store_true", help="a rough picture in a third of the time")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the figures there")
    options = parser.parse_args()
    began = time.monotonic()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            figures = runner.run(_measure(QUICK if options.quick else FULL))
    except (StartFailed, Incomplete) as error:
        sys.stderr.write(f"bench: {error}\n")
        return 1
    except TimeoutError:
        sys.stderr.write(f"bench: not done after {_LONGEST_RUN:.0f} s; is the machine busy? Try --quick\n")
        return 1
    except (asyncio.CancelledError, KeyboardInterrupt):
        sys.stderr.write("bench: stopped\n")
        return 1
    measured = report(figures, time.monotonic() - began)
    sys.stdout.write(as_table(measured) + "\n")
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(as_json(measured))) + b"\n")
    return 0


async def _measure(effort: Effort) -> list[Figure]:
    this_task = asyncio.current_task()
    assert this_task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this_task.cancel)
    # Waiting clients must not wait for each other: no limit of connections.
    async with (
        asyncio.timeout(_LONGEST_RUN),
        ClientSession(connector=TCPConnector(limit=0), timeout=ClientTimeout(total=None)) as http,
    ):
        with tempfile.TemporaryDirectory(prefix="aichat-bench-") as folder:
            async with start_sides(Path(folder)) as sides:
                return await _compare(Bench(http, sides, effort))


async def _compare(bench: Bench) -> list[Figure]:
    _say("warming up")
    sides = bench.sides
    for ask in (sides.direct, sides.passthrough.ask, sides.service.ask):
        await bench.warm(ask)
    idle = {side.name: await bench.idle_cpu(side) for side in sides.relays}
    figures = [await _figure(bench, "memory per open stream", "KiB", bench.memory_per_stream, rounds=1)]
    for others in _BUSY:
        figures += await _first_tokens(bench, others)
    rounds = bench.effort.rounds
    figures.append(
        await _figure(
            bench,
            "CPU per chunk, one by one",
            "µs",
            lambda side: bench.cpu_one_by_one(side, idle[side.name]),
            rounds=rounds,
        )
    )
    figures.append(await _figure(bench, "CPU per chunk, in a burst", "µs", bench.cpu_in_a_burst, rounds=rounds))
    return figures


async def _figure(
    bench: Bench, name: str, unit: str, measure: Callable[[Side], Awaitable[float]], *, rounds: int
) -> Figure:
    """The median of some rounds, in each of which both have their turn."""
    _say(name)
    taken = [[await measure(side) for side in bench.sides.relays] for _ in range(rounds)]
    passthrough, service = (statistics.median(column) for column in zip(*taken, strict=True))
    return Figure(name, unit, passthrough, service)


async def _first_tokens(bench: Bench, others: int) -> list[Figure]:
    name = f"added first-token time, {others} others" if others else "added first-token time"
    _say(name)
    passthrough = await bench.first_token(bench.sides.passthrough, others)
    service = await bench.first_token(bench.sides.service, others)
    return [
        Figure(f"{name}, median", "ms", passthrough.median, service.median),
        Figure(f"{name}, p95", "ms", passthrough.p95, service.p95),
    ]


def _say(what: str) -> None:
    sys.stderr.write(f"… {what}\n")


if __name__ == "__main__":
    sys.exit(main())
