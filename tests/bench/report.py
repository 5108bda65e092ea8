"""The figures of a run, as a table and as JSON."""

from __future__ import annotations

import os
import platform

from msgspec import Struct


class Figure(Struct, frozen=True):
    """One thing that was measured on both relays."""

    name: str
    unit: str
    passthrough: float
    service: float

    @property
    def ratio(self) -> float:
        """The service as a multiple of the pass-through."""
        return self.service / self.passthrough


class Report(Struct, frozen=True):
    """All figures of a run."""

    python: str
    cores: int
    seconds: float
    figures: list[Figure]


def report(figures: list[Figure], seconds: float) -> Report:
    """The figures with what they were measured on."""
    return Report(platform.python_version(), os.cpu_count() or 0, round(seconds, 1), figures)


def as_table(report: Report) -> str:
    """The report for reading."""
    width = max(len(figure.name) for figure in report.figures)
    lines = [f"{'':<{width}}{'pass-through':>14}{'service':>12}{'ratio':>8}{'more':>10}  unit"]
    for figure in report.figures:
        more = figure.service - figure.passthrough
        lines.append(
            f"{figure.name:<{width}}{figure.passthrough:>14.2f}{figure.service:>12.2f}{figure.ratio:>8.2f}{more:>10.2f}"
            f"  {figure.unit}"
        )
    lines.append(f"Python {report.python}, {report.cores} cores, uvloop; measured in {report.seconds:.0f} s")
    return "\n".join(lines)


def as_json(report: Report) -> dict[str, object]:
    """The report for keeping and comparing."""
    return {
        "python": report.python,
        "cores": report.cores,
        "seconds": report.seconds,
        "figures": [
            {
                "name": figure.name,
                "unit": figure.unit,
                "passthrough": round(figure.passthrough, 3),
                "service": round(figure.service, 3),
                "ratio": round(figure.ratio, 3),
            }
            for figure in report.figures
        ],
    }
