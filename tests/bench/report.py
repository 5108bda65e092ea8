"""The figures of a run, as a table and as JSON."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct


class Pair(NamedTuple):
    """One thing, measured on both relays one after the other."""

    passthrough: float
    service: float


class Target(Struct, frozen=True):
    """What a figure is to stay within: as a multiple of the pass-through, as what comes on top of it, or by itself."""

    ratio: float | None = None
    more: float | None = None
    service: float | None = None


class Figure(Struct, frozen=True):
    """The medians of some pairs. The ratio is that of each pair: what slows the machine down slows both of a pair."""

    name: str
    unit: str
    pairs: Sequence[Pair]
    target: Target = Target()

    @property
    def passthrough(self) -> float:
        """The pass-through's."""
        return statistics.median(pair.passthrough for pair in self.pairs)

    @property
    def service(self) -> float:
        """The service's."""
        return statistics.median(pair.service for pair in self.pairs)

    @property
    def more(self) -> float:
        """What the service adds to the pass-through."""
        return statistics.median(pair.service - pair.passthrough for pair in self.pairs)

    @property
    def ratio(self) -> float:
        """The service as a multiple of the pass-through."""
        return statistics.median(self._ratios)

    @property
    def ratios(self) -> tuple[float, float]:
        """The least and the greatest ratio of a pair."""
        return min(self._ratios), max(self._ratios)

    @property
    def verdict(self) -> str:
        """Whether the target is met, and which it is; empty when there is none."""
        target = self.target
        for limit, value, sign in (
            (target.ratio, self.ratio, "times"),
            (target.more, self.more, f"{self.unit} more"),
            (target.service, self.service, self.unit),
        ):
            if limit is not None:
                return f"{'met' if value <= limit else 'MISSED'} (≤ {limit:g} {sign})"
        return ""

    @property
    def _ratios(self) -> list[float]:
        return [pair.service / pair.passthrough for pair in self.pairs]


class Report(Struct, frozen=True):
    """All figures of a run."""

    python: str
    cores: int
    load: float
    """How many processes wanted to run, on average over the last minute."""
    seconds: float
    figures: list[Figure]


def report(figures: list[Figure], seconds: float) -> Report:
    """The figures with what they were measured on."""
    return Report(platform.python_version(), os.cpu_count() or 0, os.getloadavg()[0], round(seconds, 1), figures)


def as_table(report: Report, sides: tuple[str, str] = ("pass-through", "service")) -> str:
    """The report for reading; the sides are what was compared."""
    width = max(len(figure.name) for figure in report.figures)
    lines = [f"{'':<{width}}{sides[0]:>14}{sides[1]:>10}{'ratio':>8}{'of pairs':>14}{'more':>9}  unit  target"]
    for figure in report.figures:
        least, greatest = figure.ratios
        lines.append(
            f"{figure.name:<{width}}{figure.passthrough:>14.2f}{figure.service:>10.2f}{figure.ratio:>8.2f}"
            f"{f'{least:.2f} - {greatest:.2f}':>14}{figure.more:>9.2f}  {figure.unit:<4}  {figure.verdict}".rstrip()
        )
    lines.append(
        f"Python {report.python}, {report.cores} cores, load {report.load:.1f}, uvloop; "
        f"measured in {report.seconds:.0f} s"
    )
    return "\n".join(lines)


def as_json(report: Report) -> dict[str, object]:
    """The report for keeping and comparing."""
    return {
        "python": report.python,
        "cores": report.cores,
        "load": report.load,
        "seconds": report.seconds,
        "figures": [
            {
                "name": figure.name,
                "unit": figure.unit,
                "passthrough": round(figure.passthrough, 3),
                "service": round(figure.service, 3),
                "ratio": round(figure.ratio, 3),
                "more": round(figure.more, 3),
                "verdict": figure.verdict,
                "pairs": [[round(value, 3) for value in pair] for pair in figure.pairs],
            }
            for figure in report.figures
        ],
    }
