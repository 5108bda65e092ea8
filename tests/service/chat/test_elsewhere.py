"""Answers that another process makes are stopped there, and not followed here."""

from __future__ import annotations

import asyncio

import pytest

from aichat_backend.chat.elsewhere import Elsewhere
from aichat_backend.chat.underway import Owner, SignOfLife
from aichat_backend.errors import Unavailable
from fakes.backend import eventually
from fakes.reading import events_of
from fakes.run_rows import RunsInMemory

ANN, BOB = "1", "2"
FOR_EVER, NOT_AT_ALL = 3600.0, 0.0


@pytest.fixture
def runs() -> RunsInMemory:
    runs = RunsInMemory(SignOfLife("r", Owner("there", "1"), 0))
    runs.sessions[ANN, "r"] = "s"
    return runs


async def test_a_reader_hears_in_a_stream_where_the_answer_is(runs: RunsInMemory) -> None:
    refusal = await Elsewhere(runs).refuse_to_follow(ANN, "r")

    assert refusal is not None
    (event,) = (event.data for event in events_of(refusal.log.after(0)))
    assert (event["type"], event["session_id"]) == ("error", "s")
    assert "reload the conversation" in event["error"]


async def test_nobody_hears_of_what_is_not_there_or_anothers(runs: RunsInMemory) -> None:
    elsewhere = Elsewhere(runs)

    assert await elsewhere.refuse_to_follow(ANN, "unknown") is None
    assert await elsewhere.refuse_to_follow(BOB, "r") is None
    assert not await elsewhere.stop_run(ANN, "unknown")
    assert not await elsewhere.stop_run(BOB, "r")
    await elsewhere.stop_session(BOB, "s")
    assert runs.unwanted == set()


@pytest.mark.parametrize("by", ["run", "session"])
async def test_who_stops_an_answer_waits_until_it_has_ended(runs: RunsInMemory, by: str) -> None:
    elsewhere = Elsewhere(runs, patience=FOR_EVER, between_looks=NOT_AT_ALL)
    stopping = asyncio.ensure_future(elsewhere.stop_run(ANN, "r") if by == "run" else elsewhere.stop_session(ANN, "s"))
    await eventually(lambda: runs.unwanted == {"r"})
    for _ in range(20):
        await asyncio.sleep(0)
    assert not stopping.done()

    del runs.rows["r"]

    await asyncio.wait_for(stopping, 10)


async def test_an_answer_that_does_not_stop_is_not_waited_for_without_end(runs: RunsInMemory) -> None:
    elsewhere = Elsewhere(runs, patience=NOT_AT_ALL, between_looks=NOT_AT_ALL)

    with pytest.raises(Unavailable) as unavailable:
        await elsewhere.stop_run(ANN, "r")

    assert unavailable.value.code == "not_stopped"
