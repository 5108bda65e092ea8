"""`python -m tests.bench [--quick] [--wire NAME] [--json FILE]`, from the repository's root."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import uvloop
from aiohttp import ClientSession, ClientTimeout, TCPConnector
from tests.bench.measurements import FULL, QUICK, Effort
from tests.bench.processes import StartFailed
from tests.bench.programme import measure
from tests.bench.report import Figure, as_json, as_table, report
from tests.bench.script import Incomplete
from tests.bench.sides import open_stage
from tests.bench.volume import USERS, Scale, fill_both, measure_volume
from tests.bench.wires import WIRES, Wire

_LONGEST_RUN = 600.0


def main() -> int:
    """Measure, print, and tell by the exit status whether that worked."""
    parser = argparse.ArgumentParser(prog="bench", description=sys.modules["tests.bench"].__doc__)
    parser.add_argument("--quick", action="store_true", help="a rough picture in a third of the time")
    parser.add_argument("--wire", action="append", choices=WIRES, help="only this provider's protocol; may be repeated")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the figures there")
    parser.add_argument(
        "--volume",
        metavar="USERS",
        type=int,
        nargs="?",
        const=USERS,
        help="in place of all that: a million messages of so many users and a million of one, beside a small database",
    )
    options = parser.parse_args()
    began = time.monotonic()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            wires = [WIRES[name] for name in options.wire or WIRES]
            figures = (
                runner.run(_measure(QUICK if options.quick else FULL, wires))
                if options.volume is None
                else _measure_volume(runner, Scale(options.volume))
            )
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
    sides = ("pass-through", "service") if options.volume is None else ("small", "large")
    sys.stdout.write(as_table(measured, sides) + "\n")
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(as_json(measured))) + b"\n")
    return 0


async def _measure(effort: Effort, wires: Sequence[Wire]) -> list[Figure]:
    this_task = asyncio.current_task()
    assert this_task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this_task.cancel)
    # Waiting clients must not wait for each other: no limit of connections.
    async with (
        asyncio.timeout(_LONGEST_RUN),
        ClientSession(connector=TCPConnector(limit=0), timeout=ClientTimeout(total=None)) as http,
    ):
        with tempfile.TemporaryDirectory(prefix="aichat-bench-") as folder:
            async with open_stage(Path(folder)) as stage:
                return await measure(http, stage, effort, wires)


def _measure_volume(runner: asyncio.Runner, scale: Scale) -> list[Figure]:
    async def measure(folder: Path) -> list[Figure]:
        async with asyncio.timeout(_LONGEST_RUN), ClientSession() as http:
            return await measure_volume(http, folder, scale)

    with tempfile.TemporaryDirectory(prefix="aichat-bench-") as folder:
        fill_both(Path(folder), scale)
        return runner.run(measure(Path(folder)))


if __name__ == "__main__":
    sys.exit(main())
