"""What becomes of answers while the database is away, or while another process takes this one for dead."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from aichat_backend.app import Stores
from aichat_backend.chat import insisting
from aichat_backend.chat.approvals import Decision
from aichat_backend.chat.assistant import Assistant
from aichat_backend.chat.conversation import MessageStatus
from aichat_backend.chat.flusher import Flusher
from aichat_backend.chat.insisting import Patience
from aichat_backend.chat.parts import Usage
from aichat_backend.chat.runs import Run
from aichat_backend.chat.tools import ToolPolicy
from aichat_backend.chat.underway import Owner
from aichat_backend.errors import Conflict, TakenOver, Unavailable
from aichat_backend.storage.errors import DatabaseUnavailable
from fakes.assistants import answering, held, open_stores
from fakes.backend import eventually
from fakes.conversations import all_messages, texts
from fakes.reading import events_of
from fakes.scripted import Call, ScriptedProvider
from fakes.toolbox import FakeToolbox, tool

QUICK = Patience(first_pause=0, longest_pause=0, of_the_service=0)


@dataclass
class Outage:
    """Lets no turn be closed until it is over."""

    stores: Stores
    attempts: list[str] = field(default_factory=list)
    over: bool = False

    def begin(self, patch: pytest.MonkeyPatch) -> None:
        for name in ("close_turn", "leave_turn", "return_approval"):
            patch.setattr(self.stores.turns, name, self._failing(name, getattr(self.stores.turns, name)))

    def _failing(self, name: str, works: Any) -> Any:
        async def attempt(*arguments: Any) -> Any:
            self.attempts.append(name)
            if not self.over:
                raise DatabaseUnavailable("gone away")
            return await works(*arguments)

        return attempt


@pytest.fixture
def outage(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> Outage:
    outage = Outage(stores)
    outage.begin(monkeypatch)
    return outage


async def began(assistant: Assistant, provider: ScriptedProvider, *said: str) -> tuple[Run, Call]:
    run = await assistant.ask("1", "s", "Why?", {})
    call = await provider.asked()
    call.say(*said)
    await eventually(lambda: run.log.after(0) or not said)
    return run, call


def told(run: Run) -> list[str]:
    return [event.data["type"] for event in events_of(run.log.after(0))]


async def statuses(stores: Stores) -> list[tuple[str, MessageStatus]]:
    return [(message.text, message.status) for message in await all_messages(stores.conversations, "1", "s")]


async def test_an_answer_is_stored_once_the_database_is_back_and_only_then_told(
    stores: Stores, provider: ScriptedProvider, outage: Outage
) -> None:
    async with answering(stores, provider, patience=QUICK) as assistant:
        run, call = await began(assistant, provider, "So.")
        call.finish()
        await eventually(lambda: len(outage.attempts) > 2)
        assert told(run) == ["message"]
        with pytest.raises(Conflict):
            await assistant.ask("1", "s", "And?", {})
        outage.over = True
        await run.ended()

    assert told(run) == ["message", "done"]
    assert await texts(stores.conversations, "1", "s") == ["Why?", "So."]


async def test_what_an_answer_has_cost_is_counted_with_it_before_its_end_is_told(
    stores: Stores, provider: ScriptedProvider, outage: Outage
) -> None:
    async with answering(stores, provider, patience=QUICK) as assistant:
        run, call = await began(assistant, provider, "So.")
        call.finish(Usage(3, 4))
        await eventually(lambda: len(outage.attempts) > 2)
        assert await stores.usage.by_day("1") == ()
        outage.over = True
        await run.told()

        (counted,) = await stores.usage.by_day("1")

    assert (counted.input_tokens, counted.output_tokens, counted.answers) == (3, 4, 1)
    assert await stores.usage.by_day("1") == (counted,)


async def test_who_waits_for_long_is_told_so_and_finds_the_answer_later(
    stores: Stores, provider: ScriptedProvider, outage: Outage
) -> None:
    patience = Patience(first_pause=0, longest_pause=0, of_readers=0, of_the_service=0)
    async with answering(stores, provider, patience=patience) as assistant:
        run, call = await began(assistant, provider, "So.")
        call.finish()

        with pytest.raises(Unavailable) as waited:
            await run.answer()
        assert waited.value.code == "not_stored_yet"
        assert told(run) == ["message", "error"]
        assert held(assistant)[0] == {("1", "s")}
        outage.over = True
        await run.ended()

    assert told(run) == ["message", "error"]
    assert await texts(stores.conversations, "1", "s") == ["Why?", "So."]


async def test_an_approval_that_is_stored_late_waits_in_the_history(
    stores: Stores, provider: ScriptedProvider, outage: Outage
) -> None:
    patience = Patience(first_pause=0, longest_pause=0, of_readers=0, of_the_service=0)
    async with answering(stores, provider, patience=patience, toolbox=FakeToolbox([tool("drop")])) as assistant:
        run, call = await began(assistant, provider)
        call.use("c", "drop")
        call.finish()
        await run.told()
        outage.over = True
        await run.ended()
        assert told(run) == ["error"]

        (_, asking) = await all_messages(stores.conversations, "1", "s")
        decided = await assistant.decide("1", "s", Decision(asking.id, approved=False))
        (await provider.asked()).say("Not done.")
        provider.calls[-1].finish()
        await decided.ended()


async def test_a_service_that_stops_meanwhile_does_not_wait_for_ever_and_says_what_is_lost(
    stores: Stores, provider: ScriptedProvider, outage: Outage
) -> None:
    flusher = Flusher(stores.runs, interval=3600)
    with capture_logs() as logs:
        async with answering(stores, provider, patience=QUICK, flusher=flusher) as assistant:
            run, _call = await began(assistant, provider, "Half of")
            await flusher.flush()
            await assistant.drain(0)

    assert told(run) == ["message", "error"]
    assert [line["run_id"] for line in logs if line["event"] == "answer_not_stored"] == [run.id]
    assert outage.attempts

    (sign,) = await stores.runs.signs()
    assert await stores.runs.interrupt(sign)
    assert await statuses(stores) == [("Why?", MessageStatus.COMPLETE), ("Half of", MessageStatus.INTERRUPTED)]


async def test_a_question_that_came_to_nothing_frees_its_session_when_the_database_is_back(
    stores: Stores, provider: ScriptedProvider, outage: Outage
) -> None:
    async with answering(stores, provider, patience=QUICK) as assistant:
        run, call = await began(assistant, provider)
        call.fail(RuntimeError("broken"))
        await eventually(lambda: len(outage.attempts) > 2)
        outage.over = True
        await run.ended()

    assert told(run) == ["error"]
    assert await stores.runs.signs() == []


async def test_a_process_taken_for_dead_ends_the_answer_and_tells_its_readers(
    stores: Stores, provider: ScriptedProvider, path: Path
) -> None:
    flusher = Flusher(stores.runs, interval=3600)
    async with (
        answering(stores, provider, flusher=flusher) as assistant,
        open_stores(path, Owner("there", "2")) as there,
    ):
        run, call = await began(assistant, provider, "Half of")
        await flusher.flush()
        (sign,) = await there.runs.signs()
        assert await there.runs.interrupt(sign)
        call.say(" it")
        await eventually(lambda: len(told(run)) == 2)
        await flusher.flush()
        with pytest.raises(TakenOver):
            await run.answer()

    assert told(run) == ["message", "message", "error"]
    assert await statuses(stores) == [("Why?", MessageStatus.COMPLETE), ("Half of", MessageStatus.INTERRUPTED)]
    assert held(assistant) == (set(), {})


async def test_nor_is_an_answer_stored_twice_that_was_complete_when_its_process_was_taken_for_dead(
    stores: Stores, provider: ScriptedProvider
) -> None:
    async with answering(stores, provider) as assistant:
        run, call = await began(assistant, provider, "So.")
        (sign,) = await stores.runs.signs()
        assert await stores.runs.interrupt(sign)
        call.finish()
        with pytest.raises(TakenOver):
            await run.answer()

    assert await statuses(stores) == [("Why?", MessageStatus.COMPLETE), ("", MessageStatus.INTERRUPTED)]


async def counted(stores: Stores) -> tuple[int, int, int]:
    (day,) = await stores.usage.by_day("1")
    return day.input_tokens, day.output_tokens, day.answers


async def take_over(stores: Stores) -> None:
    """As another process that takes this one for dead."""
    (sign,) = await stores.runs.signs()
    assert await stores.runs.interrupt(sign)


async def test_what_an_answer_that_was_taken_over_has_cost_is_counted_though_none_of_it_was_known(
    stores: Stores, provider: ScriptedProvider
) -> None:
    async with answering(stores, provider) as assistant:
        run, call = await began(assistant, provider, "So.")
        await take_over(stores)
        assert await stores.usage.by_day("1") == ()
        call.finish(Usage(3, 4))
        with pytest.raises(TakenOver):
            await run.answer()

    assert await counted(stores) == (3, 4, 1)


@pytest.mark.parametrize("flushes", [0, 1])
async def test_what_whoever_took_an_answer_over_knew_of_is_counted_once(
    stores: Stores, provider: ScriptedProvider, flushes: int
) -> None:
    flusher = Flusher(stores.runs, interval=3600)
    toolbox = FakeToolbox([tool("look_up", policy=ToolPolicy.AUTO)])
    async with answering(stores, provider, flusher=flusher, toolbox=toolbox) as assistant:
        run, call = await began(assistant, provider, "I look.")
        call.use("c", "look_up")
        call.finish(Usage(10, 5))
        call = await provider.asked()
        for _ in range(flushes):
            await flusher.flush()
        await take_over(stores)
        assert await counted(stores) == (10, 5, 1)
        call.say("So.")
        call.finish(Usage(3, 4))
        with pytest.raises(TakenOver):
            await run.answer()

    assert await counted(stores) == (13, 9, 1)


async def test_what_was_to_be_kept_after_an_answer_was_taken_over_is_counted_as_well(
    stores: Stores, provider: ScriptedProvider
) -> None:
    flusher = Flusher(stores.runs, interval=3600)
    toolbox = FakeToolbox([tool("look_up", policy=ToolPolicy.AUTO)])
    async with answering(stores, provider, flusher=flusher, toolbox=toolbox) as assistant:
        run, call = await began(assistant, provider, "I look.")
        await take_over(stores)
        call.use("c", "look_up")
        call.finish(Usage(10, 5))
        with pytest.raises(TakenOver):
            await run.answer()

    assert toolbox.calls == []
    assert await counted(stores) == (10, 5, 1)


async def test_an_answer_that_was_taken_over_ends_though_its_cost_cannot_be_counted(
    stores: Stores, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("gone away")

    monkeypatch.setattr(stores.usage, "add", fail)
    with capture_logs() as logs:
        async with answering(stores, provider) as assistant:
            run, call = await began(assistant, provider, "So.")
            await take_over(stores)
            call.finish(Usage(3, 4))
            with pytest.raises(TakenOver):
                await run.answer()

    (lost,) = [line for line in logs if line["event"] == "tokens_not_counted"]
    assert (lost["input_tokens"], lost["output_tokens"], lost["detail"]) == (3, 4, "gone away")


async def test_a_session_deleted_by_another_process_ends_its_answer(
    stores: Stores, provider: ScriptedProvider, path: Path
) -> None:
    flusher = Flusher(stores.runs, interval=0)
    async with (
        answering(stores, provider, flusher=flusher) as assistant,
        open_stores(path, Owner("there", "2")) as there,
    ):
        run, call = await began(assistant, provider, "Half of")
        await there.conversations.delete_session("1", "s")
        call.say(" it")
        async with asyncio.timeout(10):
            await run.ended()

        assert (await stores.conversations.list_sessions("1", page=1, limit=9)).total == 0
        assert told(run)[-1] == "error"


async def test_another_process_does_not_answer_in_the_meantime_but_can_answer_instead(
    stores: Stores, provider: ScriptedProvider, path: Path
) -> None:
    async with (
        answering(stores, provider, flusher=Flusher(stores.runs, interval=0.01)) as assistant,
        open_stores(path, Owner("there", "2")) as there,
        answering(there, provider) as other,
    ):
        run, _call = await began(assistant, provider, "So.")
        with pytest.raises(Conflict) as refused:
            await other.ask("1", "s", "And?", {})
        assert refused.value.code == "session_busy"
        assert held(other) == (set(), {})

        again = await other.regenerate("1", "s")
        await run.ended()
        assert await texts(stores.conversations, "1", "s") == ["Why?", "So."]
        (await provider.asked()).say("Better.")
        provider.calls[-1].finish()
        await again.ended()

    assert await texts(stores.conversations, "1", "s") == ["Why?", "Better."]


async def test_what_leads_to_a_tool_is_kept_before_it_runs(stores: Stores, provider: ScriptedProvider) -> None:
    kept: list[int] = []

    class Watching(FakeToolbox):
        async def call(self, *arguments: Any, **more: Any) -> Any:
            rows = await stores.runs._database.read(
                lambda connection: connection.exec_driver_sql("SELECT draft FROM runs").scalars().all()
            )
            kept.append(sum("I look." in row and "look_up" in row for row in rows))
            return await super().call(*arguments, **more)

    toolbox = Watching([tool("look_up", policy=ToolPolicy.AUTO)])
    async with answering(stores, provider, toolbox=toolbox) as assistant:
        run, call = await began(assistant, provider, "I look.")
        call.use("c", "look_up")
        call.finish()
        (await provider.asked()).say("Found.")
        provider.calls[-1].finish()
        await run.ended()

    assert kept == [1]


async def test_an_answer_waits_for_the_database_also_when_the_log_cannot_be_written(
    stores: Stores, provider: ScriptedProvider, outage: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unwritable:
        def warning(self, *_: object, **__: object) -> None:
            raise OSError("the disk is full")

    monkeypatch.setattr(insisting, "_log", Unwritable())
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, told: complaints.append(told["exception"]))
    async with answering(stores, provider, patience=QUICK) as assistant:
        run, call = await began(assistant, provider, "So.")
        call.finish()
        await eventually(lambda: len(outage.attempts) > 2)
        outage.over = True
        await run.ended()

    assert told(run) == ["message", "done"]
    assert [str(complaint) for complaint in complaints] == ["the disk is full"]
