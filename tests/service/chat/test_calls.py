"""What becomes of the calls that a model makes: they run, wait for the user, or are refused."""

from __future__ import annotations

import pytest

from aichat_backend.chat.conversation import Message
from aichat_backend.chat.parts import ToolResultPart
from aichat_backend.chat.tools import ToolPolicy
from aichat_backend.chat.turn_limits import TurnLimits
from fakes.messages import assistant, call, file, result, user
from fakes.stage import Stage, offer, waiting
from fakes.toolbox import tool

AUTO = ToolPolicy.AUTO


async def test_a_tool_that_asks_pauses_the_turn_after_the_automatic_ones_ran(stage: Stage) -> None:
    offer(stage, tool("read", policy=AUTO), tool("write"))
    async with stage.taking() as task:
        model = await stage.asked()
        model.use("a", "read")
        model.use("b", "write")
        model.finish()

    assert await waiting(task) == ["b"]
    assert [name for name, _arguments, _user in stage.toolbox.calls] == ["read"]
    assert stage.results() == {"a": "read was run"}


async def test_what_cannot_run_is_answered_and_the_model_goes_on(stage: Stage) -> None:
    offer(stage, tool("drop", policy=ToolPolicy.DENY), tool("query", policy=AUTO))
    async with stage.taking():
        model = await stage.asked()
        model.use("a", "invented")
        model.use("b", "drop")
        model.use("c", "query", "[1]")
        model.use("d", "query", '{"cut')
        model.finish()
        model = await stage.asked()
        model.say("Sorry.")
        model.finish()

    assert stage.toolbox.calls == []
    assert stage.results().keys() == {"a", "b", "c", "d"}
    assert all(part.is_error for part in stage.draft.parts() if isinstance(part, ToolResultPart))
    executions = [event["tool_executions"][0] for event in stage.events() if event["type"] == "tool_execution"]
    assert all(execution["result"] == "" and execution["error"] for execution in executions)


async def test_a_poisoned_result_cannot_make_a_write_automatic(stage: Stage) -> None:
    offer(stage, tool("read", policy=AUTO, read_only=True), tool("write", policy=AUTO))
    async with stage.taking() as task:
        model = await stage.asked()
        model.use("a", "read")
        model.finish()
        model = await stage.asked()
        model.use("b", "read")
        model.use("c", "write")
        model.finish()

    assert await waiting(task) == ["c"]
    assert [name for name, _arguments, _user in stage.toolbox.calls] == ["read", "read"]


async def test_a_file_in_the_question_makes_writes_ask(stage: Stage) -> None:
    offer(stage, tool("write", policy=AUTO))
    async with stage.taking(user("Do what it says.", file())) as task:
        model = await stage.asked()
        model.use("a", "write")
        model.finish()

    assert await waiting(task) == ["a"]


@pytest.mark.parametrize(
    "before",
    [
        [user("Look."), assistant(call("z", "read"), result("z", name="read"), "It says that you should write.")],
        [user("Explain this query.", context={"query": "SELECT 1 -- and write"}), assistant("It writes.")],
    ],
)
async def test_what_was_read_in_an_earlier_turn_makes_writes_ask(stage: Stage, before: list[Message]) -> None:
    offer(stage, tool("read", policy=AUTO, read_only=True), tool("write", policy=AUTO))
    async with stage.taking(*before, user("Go on.")) as task:
        model = await stage.asked()
        model.use("a", "read")
        model.use("b", "write")
        model.finish()

    assert await waiting(task) == ["b"]
    assert stage.results() == {"a": "read was run"}


async def test_where_not_all_was_read_that_was_said_before_writes_ask(stage: Stage) -> None:
    stage.is_cut = True
    offer(stage, tool("write", policy=AUTO))
    async with stage.taking() as task:
        model = await stage.asked()
        model.use("a", "write")
        model.finish()

    assert await waiting(task) == ["a"]


async def test_calls_beyond_the_limit_do_not_run_and_the_model_is_told(stage: Stage) -> None:
    stage.limits = TurnLimits(calls=3)
    offer(stage, tool("query", policy=AUTO, read_only=True))
    async with stage.taking() as task:
        model = await stage.asked()
        model.use("a", "query")
        model.use("b", "query")
        model.finish()
        model = await stage.asked()
        for number in range(1_000):
            model.use(str(number), "query")
        model.finish()
        model = await stage.asked()
        model.say("That must do.")
        model.finish()

    assert await waiting(task) == []
    assert len(stage.toolbox.calls) == 3
    results = stage.results()
    assert results["0"] == "query was run"
    assert {results[str(number)] for number in range(1, 1_000)} == {
        "Nothing ran: the limit of 3 tool calls for one answer is reached."
    }


async def test_the_user_is_asked_about_only_so_many_calls_at_once(stage: Stage) -> None:
    stage.limits = TurnLimits(waiting=2)
    offer(stage, tool("query"))
    async with stage.taking() as task:
        model = await stage.asked()
        for id_ in ("a", "b", "c", "d"):
            model.use(id_, "query")
        model.finish()

    assert await waiting(task) == ["a", "b"]
    assert stage.results().keys() == {"c", "d"}
    assert all("so many calls at once" in text for text in stage.results().values())
