"""Running tool calls: at the same time, stopped, and with files."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from aichat_backend.chat.approvals import Decision
from aichat_backend.chat.executions import AT_ONCE, NOT_NOTED
from aichat_backend.chat.parts import FilePart, TextPart, ToolResultPart
from aichat_backend.chat.tools import ToolFile, ToolOutcome, ToolPolicy
from aichat_backend.chat.turn_limits import TurnLimits
from fakes.messages import call, user
from fakes.pictures import png
from fakes.stage import Stage, approval_for, offer
from fakes.toolbox import Gate, tool

AUTO = ToolPolicy.AUTO


async def test_tools_of_one_round_run_at_the_same_time(stage: Stage) -> None:
    first, second = Gate(), Gate()
    offer(stage, tool("one", policy=AUTO), tool("two", policy=AUTO))
    stage.toolbox.behaviours = {"one": first, "two": second}
    async with stage.taking():
        model = await stage.asked()
        model.use("a", "one")
        model.use("b", "two")
        model.finish()
        await asyncio.gather(first.reached.wait(), second.reached.wait())
        second.outcome.set_result(ToolOutcome("later"))
        first.outcome.set_result(ToolOutcome("sooner"))
        model = await stage.asked()
        model.say("Both.")
        model.finish()

    answers = [part.call_id for part in model.request.messages[-1].parts if isinstance(part, ToolResultPart)]
    assert answers == ["a", "b"], "in the order of the calls, whichever came first"


async def test_only_so_many_calls_of_an_answer_run_at_the_same_time(stage: Stage) -> None:
    stage.limits = TurnLimits(calls=3 * AT_ONCE)
    running = most = 0

    async def run(_arguments: Mapping[str, Any]) -> ToolOutcome:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return ToolOutcome("ran")

    offer(stage, tool("query", policy=AUTO))
    stage.toolbox.behaviours["query"] = run
    async with stage.taking():
        model = await stage.asked()
        for number in range(3 * AT_ONCE):
            model.use(str(number), "query")
        model.finish()
        (await stage.asked()).finish()

    assert most == AT_ONCE
    assert list(stage.results().values()) == ["ran"] * 3 * AT_ONCE


async def test_a_turn_that_is_stopped_while_a_tool_runs_stops_the_tool_and_says_so(stage: Stage) -> None:
    gate = Gate()
    offer(stage, tool("slow", policy=AUTO))
    stage.toolbox.behaviours["slow"] = gate
    async with stage.taking() as task:
        model = await stage.asked()
        model.use("a", "slow")
        model.finish()
        await gate.reached.wait()
        task.cancel()

    assert gate.left.is_set()
    assert "stopped while the tool ran" in stage.results()["a"]


async def test_approved_calls_whose_turn_has_not_come_when_the_answer_is_stopped_are_told_apart(stage: Stage) -> None:
    offer(stage, asks := tool("query"))
    gates = [Gate() for _ in range(AT_ONCE)]
    running = iter(gates)

    async def run(arguments: Mapping[str, Any]) -> ToolOutcome:
        return await next(running)(arguments)

    stage.toolbox.behaviours["query"] = run
    asked = approval_for(asks, *[call(str(number)) for number in range(AT_ONCE + 2)])
    async with stage.taking(user("Go."), asked, decision=Decision("r", approved=True)) as task:
        await asyncio.gather(*(gate.reached.wait() for gate in gates))
        task.cancel()

    results = stage.results()
    assert len(stage.toolbox.calls) == AT_ONCE
    assert all("stopped while the tool ran" in results[str(number)] for number in range(AT_ONCE))
    assert all("nothing ran" in results[str(number)] for number in (AT_ONCE, AT_ONCE + 1))


async def test_files_that_a_tool_returns_are_kept_and_shown_to_the_model(stage: Stage) -> None:
    offer(stage, tool("plot", policy=AUTO))

    async def draw(_arguments: Mapping[str, Any]) -> ToolOutcome:
        return ToolOutcome("A plot.", files=(ToolFile("plot.png", "image/png", png()),))

    stage.toolbox.behaviours["plot"] = draw
    async with stage.taking():
        model = await stage.asked()
        model.use("a", "plot")
        model.finish()
        model = await stage.asked()
        model.say("Nice.")
        model.finish()

    assert model.request.messages[-1].parts[1:] == (
        TextPart("Returned by the tool plot:"),
        FilePart("plot.png", "image/png", png()),
    )
    (part,) = (part for part in stage.draft.parts() if isinstance(part, ToolResultPart))
    assert part.files == tuple(stage.files.kept)


async def test_a_call_is_noted_before_it_runs(stage: Stage) -> None:
    offer(stage, tool("query", policy=AUTO))
    noted: list[list[tuple[str, str, str]]] = []

    async def run(_arguments: Mapping[str, Any]) -> ToolOutcome:
        noted.append([(start.call_id, start.tool, start.policy) for starts in stage.noted for start in starts])
        return ToolOutcome("ran")

    stage.toolbox.behaviours["query"] = run
    async with stage.taking():
        model = await stage.asked()
        model.use("a", "query", '{"sql": "said in confidence"}')
        model.finish()
        model = await stage.asked()
        model.say("Done.")
        model.finish()

    assert noted == [[("a", "fake/query", "auto")]]
    assert "said in confidence" not in repr(stage.noted)


async def test_calls_are_noted_together_and_only_when_their_turn_has_come(stage: Stage) -> None:
    offer(stage, tool("query", policy=AUTO), tool("last", policy=AUTO))
    stage.toolbox.behaviours["last"] = last = Gate()
    gates = [Gate() for _ in range(AT_ONCE)]
    behaviours = iter(gates)

    async def run(arguments: Mapping[str, Any]) -> ToolOutcome:
        return await next(behaviours)(arguments)

    stage.toolbox.behaviours["query"] = run
    async with stage.taking():
        model = await stage.asked()
        for number in range(AT_ONCE):
            model.use(str(number), "query")
        model.use("last", "last")
        model.finish()
        await asyncio.gather(*(gate.reached.wait() for gate in gates))
        assert [[start.call_id for start in starts] for starts in stage.noted] == [list(map(str, range(AT_ONCE)))]
        gates[3].outcome.set_result(ToolOutcome("ran"))
        await last.reached.wait()
        assert [start.call_id for start in stage.noted[-1]] == ["last"]
        for gate in (last, *gates):
            if not gate.outcome.done():
                gate.outcome.set_result(ToolOutcome("ran"))
        (await stage.asked()).finish()

    assert len(stage.noted) == 2


async def test_what_led_to_a_call_is_kept_with_it(stage: Stage) -> None:
    offer(stage, tool("query", policy=AUTO))
    async with stage.taking():
        model = await stage.asked()
        model.say("I look.")
        model.use("a", "query")
        model.finish()
        (await stage.asked()).finish()

    ((said, called),) = stage.kept
    assert (said, called) == (TextPart("I look."), call("a"))


async def test_no_call_runs_that_cannot_be_noted_and_the_answer_goes_on(stage: Stage) -> None:
    offer(stage, tool("query", policy=AUTO))
    stage.away = True
    async with stage.taking():
        model = await stage.asked()
        for number in range(2 * AT_ONCE):
            model.use(str(number), "query")
        model.finish()
        model = await stage.asked()
        model.say("A pity.")
        model.finish()

    assert stage.toolbox.calls == []
    results = [part for part in model.request.messages[-1].parts if isinstance(part, ToolResultPart)]
    assert len(results) == 2 * AT_ONCE
    assert all(result.is_error and NOT_NOTED in result.text for result in results)
    assert stage.attempts == 1, "nobody waits again and again for a database that is away"


async def test_calls_that_cannot_be_noted_do_not_disturb_those_that_run(stage: Stage) -> None:
    offer(stage, tool("query", policy=AUTO))
    gates = [Gate() for _ in range(AT_ONCE)]
    behaviours = iter(gates)

    async def run(arguments: Mapping[str, Any]) -> ToolOutcome:
        return await next(behaviours)(arguments)

    stage.toolbox.behaviours["query"] = run
    async with stage.taking():
        model = await stage.asked()
        for number in range(AT_ONCE + 2):
            model.use(str(number), "query")
        model.finish()
        await asyncio.gather(*(gate.reached.wait() for gate in gates))
        stage.away = True
        for gate in gates:
            gate.outcome.set_result(ToolOutcome("ran"))
        (await stage.asked()).finish()

    results = stage.results()
    assert [results[str(number)] for number in range(AT_ONCE)] == ["ran"] * AT_ONCE
    assert [results[str(number)] for number in (AT_ONCE, AT_ONCE + 1)] == [NOT_NOTED] * 2
