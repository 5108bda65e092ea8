"""Dead runs are found, and only those."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from aichat_backend.chat.recovery import Recovery
from aichat_backend.chat.underway import Owner, SignOfLife
from fakes.backend import eventually
from fakes.run_rows import RunsInMemory

HERE, BEFORE, THERE = Owner("here", "2"), Owner("here", "1"), Owner("there", "1")
DEAD_AFTER = 15


class Watch:
    """A recovery whose time the test holds."""

    def __init__(self, *under_way: SignOfLife, ours: frozenset[str] = frozenset()) -> None:
        self.runs = RunsInMemory(*under_way)
        self.now = 0.0
        self.recovery = Recovery(
            self.runs, HERE, lambda: ours, interval=0, dead_after=DEAD_AFTER, clock=lambda: self.now
        )

    async def look_at(self, now: float) -> list[str]:
        """What has been interrupted by then."""
        self.now = now
        await self.recovery.look()
        return self.runs.interrupted


async def test_what_an_earlier_process_of_this_address_left_is_interrupted_at_once() -> None:
    watch = Watch(SignOfLife("mine", HERE, 0), SignOfLife("left", BEFORE, 0), SignOfLife("others", THERE, 0))

    assert await watch.look_at(0) == ["left"]


async def test_a_run_without_a_beat_is_dead_after_a_while() -> None:
    watch = Watch(SignOfLife("others", THERE, 7))

    for now in (0, 5, 10, 14.9):
        assert await watch.look_at(now) == []
    assert await watch.look_at(15) == ["others"]


async def test_a_beat_is_life() -> None:
    watch = Watch(SignOfLife("others", THERE, 0))

    for now in range(0, 100, 10):
        assert await watch.look_at(now) == []
        watch.runs.beat("others")


async def test_a_run_of_this_process_is_alive_though_it_cannot_show_it() -> None:
    watch = Watch(SignOfLife("mine", HERE, 0), ours=frozenset({"mine"}))

    assert [await watch.look_at(now) for now in (0, 100)] == [[], []]


async def test_a_run_that_this_process_does_not_know_of_is_dead_too() -> None:
    """As when the database stored a question, and the connection broke before it could say so."""
    watch = Watch(SignOfLife("unknown", HERE, 0))

    assert [list(await watch.look_at(now)) for now in (0, 15)] == [[], ["unknown"]]


async def test_time_counts_only_while_the_database_answers() -> None:
    watch = Watch(SignOfLife("others", THERE, 0))
    await watch.look_at(0)
    watch.runs.away = True
    for now in (5, 60):
        await watch.look_at(now)
    watch.runs.away = False

    assert await watch.look_at(61) == []
    assert await watch.look_at(75) == []
    assert await watch.look_at(76) == ["others"]


async def test_what_cannot_be_read_stands_in_nobodys_way_and_is_told_once() -> None:
    watch = Watch(SignOfLife("broken", BEFORE, 0), SignOfLife("left", BEFORE, 0))
    watch.runs.broken.add("broken")

    with capture_logs() as logs:
        assert await watch.look_at(0) == ["left"]
        await watch.look_at(5)

    assert [line["run_id"] for line in logs if line["event"] == "run_not_interrupted"] == ["broken"]


async def test_an_absent_database_is_told_once_each_time() -> None:
    watch = Watch()
    with capture_logs() as logs:
        for away in (True, True, False, True):
            watch.runs.away = away
            await watch.recovery.look()

    told = ["dead_runs_not_looked_for", "dead_runs_looked_for", "dead_runs_not_looked_for"]
    assert [line["event"] for line in logs] == told


async def test_it_looks_again_and_again_until_it_is_cancelled() -> None:
    watch = Watch(SignOfLife("first", BEFORE, 0))
    watching = asyncio.create_task(watch.recovery.watch())
    await eventually(lambda: watch.runs.interrupted == ["first"])
    watch.runs.rows["second"] = SignOfLife("second", BEFORE, 0)
    await eventually(lambda: watch.runs.interrupted == ["first", "second"])

    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
