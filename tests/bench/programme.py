"""What a run measures, in which order, and what each figure is to be."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence

from aiohttp import ClientSession
from tests.bench.measurements import Bench, Effort
from tests.bench.report import Figure, Pair, Target
from tests.bench.sides import Sides, Stage
from tests.bench.wires import ANTHROPIC, GEMINI, OLLAMA, OPENAI, Wire

_ONE_BY_ONE = {OPENAI: 2.0, ANTHROPIC: 2.0, GEMINI: 7.0, OLLAMA: 1.6}
_IN_A_BURST = {OPENAI: 5.0, ANTHROPIC: 5.0, OLLAMA: 5.0}
_BUSY = (0, 50)
"""How many other streams are open while the time to the first token is measured."""


async def measure(http: ClientSession, stage: Stage, effort: Effort, wires: Sequence[Wire]) -> list[Figure]:
    """All figures: those of fresh processes with the first wire, those of a chunk with each."""
    figures = await _of_fresh_processes(http, stage, effort, wires[0])
    for wire in wires:
        async with stage.sides(wire) as sides:
            bench = Bench(http, stage, sides, effort)
            _say(f"{wire.name}: warming up")
            await bench.warm()
            if wire is wires[0]:
                for others in _BUSY:
                    figures += await _first_tokens(bench, others)
            figures += await _of_a_chunk(bench, wire)
    return figures


async def _of_fresh_processes(http: ClientSession, stage: Stage, effort: Effort, wire: Wire) -> list[Figure]:
    _say("starting once, to have compiled all modules and made the database")
    async with stage.sides(wire):
        pass
    first_starts: list[Pair] = []
    starts: list[Pair] = []
    cpu: list[Pair] = []
    memory: list[Pair] = []
    for number in range(effort.starts):
        _say(f"start {number + 1} of {effort.starts}: time to be healthy, memory per open stream")
        async with stage.on_new_data(f"first start {number}").sides(wire) as sides:
            first_starts.append(_start_seconds(sides))
        async with stage.sides(wire) as sides:
            starts.append(_start_seconds(sides))
            cpu.append(Pair(sides.passthrough.process.start_cpu_seconds, sides.service.process.start_cpu_seconds))
            bench = Bench(http, stage, sides, effort)
            await bench.warm()
            memory.append(await bench.pair(bench.memory_per_stream))
    return [
        Figure("start to healthy", "s", starts, Target(service=0.6)),
        Figure("CPU of a start", "s", cpu),
        Figure("first start to healthy", "s", first_starts),
        Figure(f"memory per open stream, {wire.name}", "KiB", memory, Target(ratio=1.6)),
    ]


def _start_seconds(sides: Sides) -> Pair:
    return Pair(sides.passthrough.process.start_seconds, sides.service.process.start_seconds)


async def _first_tokens(bench: Bench, others: int) -> list[Figure]:
    name = f"added first-token time, {others} others" if others else "added first-token time"
    _say(name)
    rounds = [
        (
            await bench.first_tokens(bench.sides.passthrough, others),
            await bench.first_tokens(bench.sides.service, others),
        )
        for _ in range(bench.effort.rounds)
    ]
    medians = [Pair(*map(statistics.median, times)) for times in rounds]
    slow = [Pair(*(statistics.quantiles(times, n=10)[-1] for times in both)) for both in rounds]
    return [
        Figure(f"{name}, median", "ms", medians, Target(more=3.0)),
        Figure(f"{name}, p90", "ms", slow),
    ]


async def _of_a_chunk(bench: Bench, wire: Wire) -> list[Figure]:
    figures = []
    for name, cpu, targets in (
        ("one by one", bench.cpu_one_by_one, _ONE_BY_ONE),
        ("in a burst", bench.cpu_in_a_burst, _IN_A_BURST),
    ):
        _say(f"{wire.name}: CPU per chunk, {name}")
        pairs = await bench.pairs(cpu)
        figures.append(Figure(f"CPU per chunk {name}, {wire.name}", "µs", pairs, Target(ratio=targets.get(wire))))
    return figures


def _say(what: str) -> None:
    sys.stderr.write(f"… {what}\n")
