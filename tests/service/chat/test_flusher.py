"""What there is of every answer under way is kept, together and not more often than needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping

import pytest
from structlog.testing import capture_logs

from aichat_backend.chat.conversation import MessageStatus
from aichat_backend.chat.draft import Draft
from aichat_backend.chat.flusher import Flusher
from aichat_backend.chat.parts import TextPart
from aichat_backend.chat.underway import KeptDraft, News, Owner, SignOfLife
from aichat_backend.errors import Unavailable
from aichat_backend.providers.base import TextDelta
from fakes.backend import eventually
from fakes.messages import start
from fakes.run_rows import RunsInMemory

BEAT = 5


class Living:
    """A run of which the test says more."""

    def __init__(self, run_id: str) -> None:
        self.id = run_id
        self.draft = Draft()
        self.lost = asyncio.Event()
        self.noted: list[KeptDraft] = []
        self.stopped: list[MessageStatus] = []

    @property
    def version(self) -> int:
        return self.draft.version

    def kept_draft(self) -> KeptDraft:
        return KeptDraft(self.draft.parts())

    def say(self, text: str) -> None:
        self.draft.add(TextDelta(text))

    def note_kept(self, draft: KeptDraft) -> None:
        self.noted.append(draft)

    def lose(self) -> None:
        self.lost.set()

    def stop(self, status: MessageStatus) -> None:
        self.stopped.append(status)


class Desk:
    """A flusher whose time the test holds, with two runs."""

    def __init__(self, interval: float = 3600) -> None:
        self.now = 0.0
        self.runs = [Living("a"), Living("b")]
        self.store = RunsInMemory(*(SignOfLife(run.id, Owner("here", "1"), 0) for run in self.runs))
        self.flusher = Flusher(self.store, interval=interval, beat_seconds=BEAT, clock=lambda: self.now)
        for run in self.runs:
            self.flusher.add(run)

    def kept(self) -> dict[str, str]:
        return {id_: "".join(part.text for part in draft.parts) for id_, draft in self.store.drafts.items()}  # type: ignore[union-attr]

    def beats(self) -> list[int]:
        return [sign.beat for sign in self.store.rows.values()]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    yield desk
    for run in desk.runs:
        if run.id in desk.flusher.under_way:
            desk.flusher.discard(run)


async def test_all_that_changed_is_written_at_once_and_once(desk: Desk) -> None:
    for run in desk.runs:
        run.say(f"of {run.id}")
    await desk.flusher.flush()
    await desk.flusher.flush()

    assert desk.store.writes == [{"a", "b"}]
    assert desk.kept() == {"a": "of a", "b": "of b"}


async def test_a_run_hears_what_is_kept_of_it_while_it_is_under_way(desk: Desk) -> None:
    ended, under_way = desk.runs
    for run in desk.runs:
        run.say("one")
    await desk.flusher.flush()
    del desk.store.rows[ended.id]
    for run in desk.runs:
        run.say(" two")
    await desk.flusher.flush()
    desk.store.away = True
    under_way.say(" three")
    with pytest.raises(Unavailable):
        await desk.flusher.flush()

    assert [draft.parts for draft in ended.noted] == [(TextPart("one"),)]
    assert [draft.parts for draft in under_way.noted] == [(TextPart("one"),), (TextPart("one two"),)]


async def test_what_did_not_change_is_not_written_again_but_beats(desk: Desk) -> None:
    desk.runs[0].say("one")
    await desk.flusher.flush()
    desk.runs[0].say(" two")
    await desk.flusher.flush()

    assert desk.store.writes == [{"a"}, {"a"}]
    assert desk.kept() == {"a": "one two"}
    assert desk.beats() == [2, 2]


async def test_when_nothing_changes_only_the_beat_is_written(desk: Desk) -> None:
    for desk.now in (1, 4.9, 5, 6, 9.9, 10):
        await desk.flusher.flush()

    assert desk.store.writes == [set(), set()]
    assert desk.beats() == [2, 2]


async def test_without_runs_nothing_is_written(desk: Desk) -> None:
    for run in desk.runs:
        run.say("much")
        desk.flusher.discard(run)
    desk.now = 100

    await desk.flusher.flush()

    assert desk.store.writes == []


async def test_a_run_that_is_no_longer_there_hears_of_it(desk: Desk) -> None:
    del desk.store.rows["a"]
    desk.runs[1].say("more")

    await desk.flusher.flush()

    assert [run.lost.is_set() for run in desk.runs] == [True, False]


async def test_what_another_process_did_is_seen_though_nothing_changes(desk: Desk) -> None:
    del desk.store.rows["a"]
    await desk.store.want_stopped("b")

    await desk.flusher.flush()

    assert desk.store.writes == []
    assert [run.lost.is_set() for run in desk.runs] == [True, False]
    assert [run.stopped for run in desk.runs] == [[], [MessageStatus.STOPPED]]


async def test_what_leads_to_a_tool_is_kept_when_it_begins_and_not_again(desk: Desk) -> None:
    run = desk.runs[0]
    run.say("I use a tool.")

    await desk.flusher.begin_calls(run, [start("first")])
    assert desk.kept() == {"a": "I use a tool."}
    assert [begun.call_id for begun in desk.store.noted] == ["first"]

    await desk.flusher.flush()
    assert desk.store.writes == []


async def test_a_tool_of_a_lost_run_does_not_begin(desk: Desk) -> None:
    run = desk.runs[0]
    ran: list[str] = []

    async def use_tool() -> None:
        await desk.flusher.begin_calls(run, [start()])
        ran.append("it")

    del desk.store.rows["a"]
    using = asyncio.create_task(use_tool())
    run.lose = using.cancel  # type: ignore[method-assign, assignment]
    await asyncio.wait({using})

    assert using.cancelled()
    assert (ran, desk.store.noted) == ([], [])


async def test_while_the_database_is_away_tools_do_not_begin_and_drafts_wait(desk: Desk) -> None:
    run = desk.runs[0]
    desk.store.away = True
    run.say("kept later")
    with pytest.raises(Unavailable):
        await desk.flusher.begin_calls(run, [start()])
    with pytest.raises(Unavailable):
        await desk.flusher.flush()
    desk.store.away = False
    await desk.flusher.flush()

    assert desk.kept() == {"a": "kept later"}
    assert desk.store.noted == []


@pytest.mark.parametrize(
    ("seconds_of_writing", "pauses"),
    [(0.0, [0.75, 0.75]), (0.2, [0.75, 0.55]), (5.0, [0.75, 0.1875])],
    ids=["at once", "in a moment", "the database is busy"],
)
async def test_the_time_that_writing_takes_is_part_of_the_interval_but_for_a_rest(
    monkeypatch: pytest.MonkeyPatch, seconds_of_writing: float, pauses: list[float]
) -> None:
    now = 0.0
    run = Living("a")
    store = RunsInMemory(SignOfLife("a", Owner("here", "1"), 0))
    keep = store.keep

    async def take_time(drafts: Mapping[str, KeptDraft], versions: Collection[str]) -> News:
        nonlocal now
        now += seconds_of_writing
        return await keep(drafts, versions)

    slept: list[float] = []
    twice = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == len(pauses):
            twice.set()
            await asyncio.Event().wait()
        run.say("more")

    monkeypatch.setattr(store, "keep", take_time)
    flusher = Flusher(store, clock=lambda: now, sleep=sleep)
    flusher.add(run)
    await twice.wait()
    flusher.discard(run)

    assert slept == pytest.approx(pauses)


async def test_it_writes_by_itself_as_long_as_there_are_runs() -> None:
    desk = Desk(interval=0)
    desk.runs[0].say("one")
    await eventually(lambda: desk.kept() == {"a": "one"})
    with capture_logs() as logs:
        desk.store.away = True
        desk.runs[0].say(" two")
        await eventually(lambda: logs)
        desk.store.away = False
        await eventually(lambda: len(logs) > 1)
    assert desk.kept() == {"a": "one two"}
    assert [line["event"] for line in logs] == ["drafts_not_kept", "drafts_kept_again"]

    (keeping,) = [task for task in asyncio.all_tasks() if task.get_name() == "keep drafts"]
    for run in desk.runs:
        desk.flusher.discard(run)
    await asyncio.wait({keeping})
    again = Living("c")
    desk.flusher.add(again)
    again.say("three")
    await eventually(lambda: desk.kept().get("c") == "three")
    desk.flusher.discard(again)
