"""A clock that a test holds in its hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class SteppingClock:
    """Moves by `step` whenever it is read."""

    def __init__(self, step: timedelta = timedelta(seconds=1)) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.step = step

    def __call__(self) -> datetime:
        self.now += self.step
        return self.now
