"""The assistant: what it holds while it answers, and how it ends."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest

from aichat_backend.app import Stores
from aichat_backend.chat import run_report
from aichat_backend.chat.approvals import Decision
from aichat_backend.chat.assistant import Assistant
from aichat_backend.chat.conversation import Message, MessageStatus
from aichat_backend.chat.finished_runs import FinishedRuns
from aichat_backend.chat.insisting import Patience
from aichat_backend.chat.parts import Usage, text_of
from aichat_backend.chat.tools import ToolPolicy
from aichat_backend.chat.turns import OpenedTurn
from aichat_backend.errors import (
    Conflict,
    NotFound,
    ProviderError,
    ProviderFailure,
    ToolsUnavailable,
    TooManyRequests,
    Unavailable,
)
from aichat_backend.providers.base import ModelRequest
from aichat_backend.storage.conversations import SqlConversationStore
from aichat_backend.storage.errors import DatabaseUnavailable
from aichat_backend.storage.turns import SqlTurnStore
from aichat_backend.telemetry.metrics import Metrics
from fakes.assistants import HERE, answering, held, runs_of
from fakes.backend import eventually
from fakes.conversations import all_messages, approval_of_calls, texts
from fakes.reading import events_of
from fakes.scripted import PATIENCE_SECONDS, ScriptedProvider
from fakes.toolbox import FakeToolbox, tool

NOTHING: tuple[set[tuple[str, str]], dict[str, int]] = (set(), {})


class SlowTurns(SqlTurnStore):
    """Waits before it stores a question, until the test lets it."""

    def __init__(self, turns: SqlTurnStore) -> None:
        super().__init__(turns._database, HERE)
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()

    async def open_turn(self, user_id: str, session_id: str | None, **more: Any) -> OpenedTurn:
        self.reached.set()
        await self.go_on.wait()
        return await super().open_turn(user_id, session_id, **more)


class ClearedTurns(SqlTurnStore):
    """Somebody clears each session between the question and its answer."""

    def __init__(self, stores: Stores) -> None:
        super().__init__(stores.turns._database, HERE)
        self._conversations = stores.conversations

    async def open_turn(self, user_id: str, session_id: str | None, **more: Any) -> OpenedTurn:
        turn = await super().open_turn(user_id, session_id, **more)
        await self._conversations.clear_messages(user_id, turn.session.id)
        return turn


class LongHistories(SqlConversationStore):
    """What users leave takes long to remove: until the test lets it end."""

    def __init__(self, stores: Stores) -> None:
        super().__init__(stores.turns._database)
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()

    async def remove_left(self, user_id: str) -> None:
        self.reached.set()
        await self.go_on.wait()
        await super().remove_left(user_id)

    async def erase_left(self, user_id: str) -> None:
        await self.remove_left(user_id)
        await super().erase_left(user_id)


class LongTaking(SqlConversationStore):
    """What users have is not taken from them the first time until the test lets it be."""

    def __init__(self, stores: Stores) -> None:
        super().__init__(stores.turns._database)
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()

    async def take_all(self, user_id: str) -> None:
        self.reached.set()
        await self.go_on.wait()
        await super().take_all(user_id)


class Connecting(FakeToolbox):
    """What was approved is there, while other servers are on their way."""

    settling = False

    async def settled(self, patience: float) -> None:
        self.settling = self.on_the_way is not None
        await super().settled(patience)

    async def reach(self, names: Collection[str]) -> Collection[str]:
        self.reached_for.append(frozenset(names))
        return ()


async def to_be_approved(assistant: Assistant, provider: ScriptedProvider) -> Message:
    """What the assistant says when the model calls the tool `query`."""
    run = await assistant.ask("1", "s", "Why?", {})
    call = await provider.asked()
    call.use("a", "query", "{}")
    call.finish()
    return await run.answer()


async def test_a_run_holds_its_session_and_counts_for_its_user(
    assistant: Assistant, provider: ScriptedProvider
) -> None:
    run = await assistant.ask("1", None, "Why?", {})

    assert held(assistant) == ({("1", run.session_id)}, {"1": 1})
    assert assistant.find("1", run.id) is run
    with pytest.raises(Conflict):
        await assistant.ask("1", run.session_id, "Why?", {})
    (await provider.asked()).finish()
    await run.ended()
    assert held(assistant) == NOTHING


async def test_who_asks_hears_where_to_follow_before_the_model_is_asked(
    assistant: Assistant, provider: ScriptedProvider
) -> None:
    run = await assistant.ask("1", "s", "Why?", {})

    assert provider.calls == []
    (await provider.asked()).finish()
    await run.ended()


async def test_a_run_that_is_stopped_before_it_begins_ends(assistant: Assistant, provider: ScriptedProvider) -> None:
    run = await assistant.ask("1", "s", "Why?", {})

    run.stop(MessageStatus.STOPPED)
    await run.ended()

    assert provider.calls == []
    assert [event.data["type"] for event in events_of(run.log.after(0))] == ["done"]


async def test_when_readers_hear_of_the_end_the_session_is_free(
    assistant: Assistant, provider: ScriptedProvider
) -> None:
    run = await assistant.ask("1", "s", "Why?", {})
    call = await provider.asked()
    call.say("So.")
    call.finish()
    heard: list[tuple[bool, object]] = []
    run.log.listen(lambda _event: heard.append((run.log.closed, held(assistant))))
    await run.ended()

    assert heard[-1] == (True, NOTHING)
    await assistant.ask("1", "s", "And?", {})


async def test_a_decision_that_names_no_session_holds_the_approval_s(
    assistant: Assistant, stores: Stores, provider: ScriptedProvider
) -> None:
    turn = await stores.turns.open_turn("1", "s", title="", parts=(), context={})
    waiting = approval_of_calls("call")
    await stores.turns.close_turn(turn, waiting)
    await assistant.ask("1", "s", "Another question", {})
    await provider.asked()

    with pytest.raises(Conflict, match="being generated"):
        await assistant.decide("1", None, Decision(waiting.id, approved=False))


async def test_a_call_with_broken_characters_can_be_approved(stores: Stores, provider: ScriptedProvider) -> None:
    toolbox = FakeToolbox([tool("query")])
    async with answering(stores, provider, toolbox=toolbox) as assistant:
        run = await assistant.ask("1", "s", "Why?", {})
        call = await provider.asked()
        call.use("a", "query", '{"q": "half a \ud83d tortoise"}')
        call.finish()
        waiting = await run.answer()

        await assistant.decide("1", "s", Decision(waiting.id, approved=True))
        await provider.asked()

    assert toolbox.calls == [("query", {"q": "half a \N{REPLACEMENT CHARACTER} tortoise"}, "1")]


async def test_what_a_stopped_answer_has_cost_is_estimated_and_counted(
    assistant: Assistant, provider: ScriptedProvider, stores: Stores
) -> None:
    run = await assistant.ask("1", "s", "Why? " * 1_000, {})
    call = await provider.asked()
    call.say("Because " * 1_000)
    await eventually(lambda: len(run.log) == 1)
    await assistant.stop_session("1", "s")

    [spent] = await stores.usage.by_day("1")
    assert (spent.model, spent.answers) == ("m", 1)
    assert 1_000 < spent.input_tokens < 2_000
    assert 1_500 < spent.output_tokens < 2_500
    answer = (await all_messages(stores.conversations, "1", "s"))[-1]
    assert answer.usage is None, "an estimate is not told as what the provider counted"


async def test_an_approval_waits_again_when_its_tools_cannot_be_reached(
    stores: Stores, provider: ScriptedProvider
) -> None:
    toolbox = FakeToolbox([query := tool("query")])
    async with answering(stores, provider, toolbox=toolbox) as assistant:
        waiting = await to_be_approved(assistant, provider)
        toolbox.offered, toolbox.away = [], {"query"}

        refused = await assistant.decide("1", "s", Decision(waiting.id, approved=True))
        with pytest.raises(ToolsUnavailable):
            await refused.answer()

        assert events_of(refused.log.after(0))[-1].data["type"] == "error"
        assert (await all_messages(stores.conversations, "1", "s"))[-1] == waiting
        toolbox.offered, toolbox.away = [query], set()
        await assistant.decide("1", "s", Decision(waiting.id, approved=True))
        await provider.asked()
        assert [name for name, *_rest in toolbox.calls] == ["query"]


async def test_an_approval_waits_again_when_the_service_stops_before_its_tools_are_reached(
    stores: Stores, provider: ScriptedProvider
) -> None:
    toolbox = FakeToolbox([tool("query")])
    async with answering(stores, provider, toolbox=toolbox) as assistant:
        waiting = await to_be_approved(assistant, provider)
        toolbox.on_the_way = asyncio.Event()
        await assistant.decide("1", "s", Decision(waiting.id, approved=True))
        await eventually(lambda: toolbox.reached_for)

        await assistant.drain(0)

    assert toolbox.calls == []
    assert (await all_messages(stores.conversations, "1", "s"))[-1] == waiting


async def test_an_approval_waits_again_when_its_run_is_stopped_before_it_begins(
    stores: Stores, provider: ScriptedProvider
) -> None:
    toolbox = FakeToolbox([tool("query")])
    async with answering(stores, provider, toolbox=toolbox) as assistant:
        waiting = await to_be_approved(assistant, provider)
        run = await assistant.decide("1", "s", Decision(waiting.id, approved=True))

        run.stop(MessageStatus.STOPPED)
        await run.ended()

        assert (await all_messages(stores.conversations, "1", "s"))[-1] == waiting
    assert toolbox.calls == []


async def test_an_approval_waits_again_when_the_service_stops_while_other_servers_connect(
    stores: Stores, provider: ScriptedProvider
) -> None:
    toolbox = Connecting([tool("query")])
    async with answering(stores, provider, toolbox=toolbox) as assistant:
        waiting = await to_be_approved(assistant, provider)
        toolbox.on_the_way = asyncio.Event()
        await assistant.decide("1", "s", Decision(waiting.id, approved=True))
        await eventually(lambda: toolbox.settling)

        await assistant.drain(0)

    assert toolbox.calls == []
    assert (await all_messages(stores.conversations, "1", "s"))[-1] == waiting


async def test_another_user_s_run_is_not_found(assistant: Assistant) -> None:
    run = await assistant.ask("1", None, "Why?", {})

    with pytest.raises(NotFound):
        assistant.find("2", run.id)


async def test_a_finished_run_is_forgotten_after_its_time(stores: Stores, provider: ScriptedProvider) -> None:
    async with answering(stores, provider, finished_runs=FinishedRuns(seconds=0)) as assistant:
        run = await assistant.ask("1", None, "Why?", {})
        (await provider.asked()).finish()
        await run.ended()
        await eventually(lambda: run.id not in runs_of(assistant))

        with pytest.raises(NotFound):
            assistant.find("1", run.id)


async def test_a_refused_question_holds_nothing(assistant: Assistant, provider: ScriptedProvider) -> None:
    provider.trouble = "no key"
    with pytest.raises(ProviderError):
        await assistant.ask("1", "s", "Why?", {})
    provider.trouble = None
    for number in range(3):
        await assistant.ask("1", f"s{number}", "Why?", {})
    with pytest.raises(TooManyRequests):
        await assistant.ask("1", "one more", "Why?", {})
    await assistant.drain(0)
    with pytest.raises(Unavailable):
        await assistant.ask("1", "s", "Why?", {})

    assert held(assistant) == NOTHING


async def test_a_question_that_cannot_be_stored_holds_nothing(assistant: Assistant) -> None:
    for session_id in (None, "s"):
        with pytest.raises(Exception, match="not valid Unicode"):
            await assistant.ask("1", session_id, "\ud800", {})

    assert held(assistant) == NOTHING


async def test_who_is_cancelled_while_asking_leaves_a_question_with_its_run(
    stores: Stores, provider: ScriptedProvider
) -> None:
    slow = SlowTurns(stores.turns)
    async with answering(replace(stores, turns=slow), provider) as assistant:
        asking = asyncio.create_task(assistant.ask("1", "s", "Why?", {}))
        await slow.reached.wait()
        asking.cancel()
        await asyncio.wait({asking})
        held_meanwhile = held(assistant)
        slow.go_on.set()
        (await provider.asked()).say("So.")
        provider.calls[-1].finish()
        await eventually(lambda: held(assistant) == NOTHING)

        assert asking.cancelled()
        assert held_meanwhile == ({("1", "s")}, {"1": 1})
        assert await texts(stores.conversations, "1", "s") == ["Why?", "So."]


async def test_stopping_a_session_stops_its_run_alone(assistant: Assistant, provider: ScriptedProvider) -> None:
    runs = [await assistant.ask(user, session, "Why?", {}) for user, session in (("1", "a"), ("1", "b"), ("2", "a"))]
    calls = [await provider.asked() for _ in runs]

    await assistant.stop_session("1", "a")
    await assistant.stop_session("1", "unknown")

    assert [run.log.closed for run in runs] == [True, False, False]
    assert sorted(call.left.is_set() for call in calls) == [False, False, True]


async def test_the_answer_to_a_question_that_was_cleared_meanwhile_is_not_stored(
    stores: Stores, provider: ScriptedProvider
) -> None:
    async with answering(replace(stores, turns=ClearedTurns(stores)), provider) as assistant:
        run = await assistant.ask("1", "s", "Why?", {})
        call = await provider.asked()
        call.say("So.")
        call.finish()
        await asyncio.wait_for(run.ended(), PATIENCE_SECONDS)

        assert [event.data["type"] for event in events_of(run.log.after(0))] == ["message", "done"]
        assert await texts(stores.conversations, "1", "s") == []
        assert held(assistant) == NOTHING


async def test_a_run_ends_also_when_its_numbers_cannot_be_counted(
    assistant: Assistant, provider: ScriptedProvider
) -> None:
    run = await assistant.ask("1", "s", "Why?", {})
    call = await provider.asked()
    call.say("So.")
    call.finish(Usage(input_tokens=-1, output_tokens=-1))
    await asyncio.wait_for(run.ended(), PATIENCE_SECONDS)

    assert [event.data["type"] for event in events_of(run.log.after(0))] == ["message", "done"]
    assert held(assistant) == NOTHING


async def test_readers_hear_of_the_end_even_when_nothing_can_be_logged(
    assistant: Assistant, provider: ScriptedProvider, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unwritable:
        def __getattr__(self, _level: str) -> Any:
            raise OSError("the disk is full")

    monkeypatch.setattr(run_report, "_log", Unwritable())
    complaints: list[BaseException] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: complaints.append(context["exception"]))
    run = await assistant.ask("1", "s", "Why?", {})
    call = await provider.asked()
    call.say("Half")
    call.fail(ZeroDivisionError())
    await asyncio.wait_for(run.ended(), PATIENCE_SECONDS)

    assert [event.data["type"] for event in events_of(run.log.after(0))] == ["message", "error"]
    assert await texts(stores.conversations, "1", "s") == ["Why?", "Half"], "and nothing is lost"
    assert [str(complaint) for complaint in complaints] == ["the disk is full"]
    assert held(assistant) == NOTHING


async def test_an_answer_that_cannot_be_stored_before_the_service_ends_counts_as_failed(
    stores: Stores, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> bool:
        raise DatabaseUnavailable("the disk is full")

    monkeypatch.setattr(stores.turns, "close_turn", fail)
    metrics = Metrics()
    async with answering(stores, provider, metrics=metrics, patience=Patience(of_the_service=0)) as assistant:
        run = await assistant.ask("1", "s", "Why?", {})
        call = await provider.asked()
        call.say("So.")
        call.finish()
        await assistant.drain(0)

    assert [event.data["type"] for event in events_of(run.log.after(0))] == ["message", "error"]
    assert metrics.registry.get_sample_value("aichat_runs_total", {"outcome": "failed"}) == 1


async def test_a_failed_run_does_not_hold_what_the_model_was_asked(
    assistant: Assistant, provider: ScriptedProvider
) -> None:
    question = "a question of this test alone"
    run = await assistant.ask("1", "s", question, {})
    (await provider.asked()).fail(ProviderError(ProviderFailure.OVERLOADED, "busy"))
    await run.ended()
    provider.calls.clear()
    gc.collect()

    assert assistant.find("1", run.id) is run
    asked = [held for held in gc.get_objects() if type(held) is ModelRequest]
    assert question not in [text_of(request.messages[-1].parts) for request in asked]


async def test_a_stopped_run_does_not_hold_what_the_model_was_asked(
    assistant: Assistant, provider: ScriptedProvider
) -> None:
    question = "a question of this other test alone"
    run = await assistant.ask("1", "s", question, {})
    await provider.asked()
    await assistant.stop_session("1", "s")
    provider.calls.clear()
    gc.collect()

    assert assistant.find("1", run.id) is run
    asked = [held for held in gc.get_objects() if type(held) is ModelRequest]
    assert question not in [text_of(request.messages[-1].parts) for request in asked]


async def test_draining_lets_answers_end(assistant: Assistant, provider: ScriptedProvider) -> None:
    run = await assistant.ask("1", "s", "Why?", {})
    call = await provider.asked()
    draining = asyncio.create_task(assistant.drain(PATIENCE_SECONDS))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await assistant.ask("1", "other", "Why?", {})
    call.say("So.")
    call.finish()

    await draining

    assert (await run.answer()).status is MessageStatus.COMPLETE


async def test_draining_interrupts_what_does_not_end_in_time(
    assistant: Assistant, provider: ScriptedProvider, stores: Stores
) -> None:
    run = await assistant.ask("1", "s", "Why?", {})
    call = await provider.asked()
    call.say("Half")
    await eventually(lambda: len(run.log) == 1)

    await assistant.drain(0.01)

    assert call.left.is_set()
    assert [message.status for message in await all_messages(stores.conversations, "1", "s")][
        -1
    ] is MessageStatus.INTERRUPTED
    assert [event.data["type"] for event in events_of(run.log.after(0))] == ["message", "error"]
    with pytest.raises(Unavailable, match="restarting"):
        await run.answer()
    assert held(assistant) == NOTHING


async def test_draining_waits_for_a_question_that_is_being_stored(stores: Stores, provider: ScriptedProvider) -> None:
    slow = SlowTurns(stores.turns)
    async with answering(replace(stores, turns=slow), provider) as assistant:
        asking = asyncio.create_task(assistant.ask("1", "s", "Why?", {}))
        await slow.reached.wait()
        draining = asyncio.create_task(assistant.drain(0))
        await asyncio.sleep(0)
        assert not draining.done()
        slow.go_on.set()
        await draining

        run = await asking
        assert run.log.closed
        assert held(assistant) == NOTHING
        assert await texts(stores.conversations, "1", "s") == ["Why?"]


async def test_draining_is_done_when_nothing_is_under_way(assistant: Assistant, provider: ScriptedProvider) -> None:
    run = await assistant.ask("1", "s", "Why?", {})
    (await provider.asked()).fail(ProviderError(ProviderFailure.UNAVAILABLE, "down"))
    await run.ended()

    async with asyncio.timeout(PATIENCE_SECONDS):
        await assistant.drain(10 * PATIENCE_SECONDS)


async def test_erasing_a_user_ends_the_naming_of_their_session(stores: Stores, provider: ScriptedProvider) -> None:
    async with answering(stores, provider, titles=True) as assistant:
        run = await assistant.ask("1", "s", "Why?", {})
        answering_call = await provider.asked()
        answering_call.say("So.")
        answering_call.finish()
        await run.ended()
        naming = await provider.asked()

        await assistant.erase("1")
        naming.say("A title")
        naming.finish(Usage(input_tokens=1, output_tokens=1))
        await eventually(lambda: not assistant._naming)

        assert naming.left.is_set()
        assert await stores.usage.by_day("1") == ()


async def test_an_answer_that_begins_while_its_user_is_erased_leaves_nothing(
    stores: Stores, provider: ScriptedProvider
) -> None:
    slow, taking = SlowTurns(stores.turns), LongTaking(stores)
    taking.go_on.set()
    async with answering(replace(stores, turns=slow, conversations=taking), provider) as assistant:
        asking = asyncio.create_task(assistant.ask("1", "s", "Why?", {}))
        await slow.reached.wait()
        erasing = asyncio.create_task(assistant.erase("1"))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not taking.reached.is_set(), "a question that was asked before is not in the store yet"
        slow.go_on.set()
        await erasing

        assert (await asking).log.closed
        assert (await stores.conversations.list_sessions("1", page=1, limit=1)).total == 0


async def test_an_answer_that_ends_while_its_user_is_erased_can_no_longer_be_read(
    stores: Stores, provider: ScriptedProvider
) -> None:
    slow = LongTaking(stores)
    async with answering(replace(stores, conversations=slow), provider, titles=True) as assistant:
        erasing = asyncio.create_task(assistant.erase("1"))
        await slow.reached.wait()
        run = await assistant.ask("1", "s", "Why?", {})
        call = await provider.asked()
        call.say("So.")
        call.finish()
        await run.ended()
        slow.go_on.set()
        await erasing

        with pytest.raises(NotFound):
            assistant.find("1", run.id)
        assert not assistant._naming
        assert (await stores.conversations.list_sessions("1", page=1, limit=1)).total == 0


async def test_the_day_s_tokens_end_an_answer_between_rounds_of_tools(
    stores: Stores, provider: ScriptedProvider
) -> None:
    toolbox = FakeToolbox([tool("look_up", policy=ToolPolicy.AUTO, read_only=True)])
    async with answering(stores, provider, tokens_per_day=1_000, toolbox=toolbox) as assistant:
        await stores.conversations.create_session("1", "from before")
        await stores.usage.add("1", "m", Usage(500, 0))
        run = await assistant.ask("1", "s", "Why?", {})
        for number in range(2):
            call = await provider.asked()
            call.use(str(number), "look_up")
            call.finish(Usage(250, 0))
        answer = await run.answer()

    assert len(toolbox.calls) == 1
    assert "tokens for a day" in answer.text
    assert await stores.usage.spent_today("1") == 1_000


async def test_who_has_no_tokens_left_for_another_answer_keeps_the_one_under_way(
    stores: Stores, provider: ScriptedProvider
) -> None:
    async with answering(stores, provider, tokens_per_day=1_000) as assistant:
        run = await assistant.ask("1", "s", "Why?", {})
        call = await provider.asked()
        await stores.usage.add("1", "m", Usage(1_000, 0))

        with pytest.raises(TooManyRequests):
            await assistant.regenerate("1", "s")
        call.say("So.")
        call.finish()

        assert (await run.answer()).status is MessageStatus.COMPLETE


async def test_what_a_user_says_after_having_left_all_stays(stores: Stores, provider: ScriptedProvider) -> None:
    slow = LongHistories(stores)
    async with answering(replace(stores, conversations=slow), provider) as assistant:
        erasing = asyncio.create_task(assistant.erase("1"))
        await slow.reached.wait()
        run = await assistant.ask("1", "s", "Am I new here?", {})
        slow.go_on.set()
        await erasing
        (await provider.asked()).finish()
        await run.ended()

        assert await texts(stores.conversations, "1", "s") == ["Am I new here?"]


async def test_an_answer_ends_at_once_however_long_its_session_takes_to_go(
    stores: Stores, provider: ScriptedProvider
) -> None:
    slow = LongHistories(stores)
    async with answering(replace(stores, conversations=slow), provider) as assistant:
        run = await assistant.ask("1", "s", "Why?", {})
        deleting = asyncio.create_task(assistant.delete_session("1", "s"))
        await run.ended()

        await slow.reached.wait()
        assert not deleting.done()
        slow.go_on.set()
        await deleting


async def test_draining_leaves_to_the_next_process_what_takes_long_to_remove(
    stores: Stores, provider: ScriptedProvider
) -> None:
    slow = LongHistories(stores)
    async with answering(replace(stores, conversations=slow), provider) as assistant:
        erasing = asyncio.create_task(assistant.erase("1"))
        await slow.reached.wait()

        await assistant.drain(0)

        await asyncio.wait({erasing})
        assert erasing.cancelled()


async def test_a_question_whose_budget_was_looked_up_when_draining_began_is_refused(
    stores: Stores, provider: ScriptedProvider
) -> None:
    async with answering(stores, provider, tokens_per_day=1_000) as assistant:
        asking = asyncio.create_task(assistant.ask("1", "s", "Why?", {}))
        await asyncio.sleep(0)
        await assistant.drain(0)

        with pytest.raises(Unavailable):
            await asking
        assert held(assistant) == NOTHING
