"""The calls that the user has decided on: waited for, carried out, or refused."""

from __future__ import annotations

import pytest

from aichat_backend.chat.approvals import Decision
from aichat_backend.chat.conversation import Message
from aichat_backend.chat.parts import ToolResultPart
from aichat_backend.chat.tools import ToolPolicy
from aichat_backend.errors import ToolsUnavailable
from fakes.messages import call, user
from fakes.stage import Stage, approval_for, offer
from fakes.toolbox import tool

AUTO = ToolPolicy.AUTO


async def test_servers_of_what_was_approved_are_reached_for_and_no_others(stage: Stage) -> None:
    asks = tool("query")
    asked = approval_for(asks, call("a"), call("b", "drop"))
    turn = stage.turn(user("Go."), asked, decision=Decision("r", approved=True, call_ids=frozenset("a")))

    await turn.reach_tools()

    assert stage.toolbox.reached_for == [{"query"}]


@pytest.mark.parametrize("decision", [None, Decision("r", approved=False)])
async def test_without_an_approval_no_server_is_reached_for(stage: Stage, decision: Decision | None) -> None:
    turn = stage.turn(user("Go."), approval_for(tool("query"), call("a")), decision=decision)

    await turn.reach_tools()

    assert stage.toolbox.reached_for == []


async def test_nothing_begins_when_nothing_of_what_was_approved_can_run_for_now(stage: Stage) -> None:
    stage.toolbox.away = {"query"}
    asked = approval_for(tool("query"), call("a"), call("b", "removed"))
    turn = stage.turn(user("Go."), asked, decision=Decision("r", approved=True))

    with pytest.raises(ToolsUnavailable) as error:
        await turn.reach_tools()

    assert (error.value.status, error.value.code) == (503, "tools_unavailable")
    assert error.value.retry_after


async def test_what_can_run_of_what_was_approved_does_not_wait_for_the_rest(stage: Stage) -> None:
    offer(stage, here := tool("query"))
    stage.toolbox.away = {"drop"}
    asked = approval_for(here, call("a"), call("b", "drop"))
    turn = stage.turn(user("Go."), asked, decision=Decision("r", approved=True))

    await turn.reach_tools()


async def test_what_was_approved_runs_with_the_stored_arguments_and_the_rest_is_refused(stage: Stage) -> None:
    offer(stage, asks := tool("query"))
    asked = approval_for(asks, call("a", arguments='{"n": 1}'), call("b", arguments='{"n": 2}'))
    async with stage.taking(user("Go."), asked, decision=Decision("r", approved=True, call_ids=frozenset("b"))):
        model = await stage.asked()
        model.say("Done.")
        model.finish()

    assert stage.toolbox.calls == [("query", {"n": 2}, "1")]
    assert "did not approve" in stage.results()["a"]
    assert [event["type"] for event in stage.events()] == ["tool_execution", "tool_execution", "message"]
    by_id = {part.call_id: part for part in stage.draft.parts() if isinstance(part, ToolResultPart)}
    assert by_id["b"].arguments == '{"n": 2}', "the history tells them apart from their call"


async def test_a_denial_runs_nothing_and_the_model_answers(stage: Stage) -> None:
    offer(stage, asks := tool("query"))
    async with stage.taking(user("Go."), approval_for(asks, call("a")), decision=Decision("r", approved=False)):
        model = await stage.asked()
        model.say("As you wish.")
        model.finish()

    assert stage.toolbox.calls == []
    (answer,) = model.request.messages[-1].parts
    assert isinstance(answer, ToolResultPart)
    assert "did not approve" in answer.text


async def test_a_tool_that_changed_since_the_question_does_not_run(stage: Stage) -> None:
    offer(stage, tool("query", description="Drops the database."))
    asked = approval_for(tool("query"), call("a"))
    async with stage.taking(user("Go."), asked, decision=Decision("r", approved=True)):
        model = await stage.asked()
        model.say("Oh.")
        model.finish()

    assert stage.toolbox.calls == []
    assert "has changed" in stage.results()["a"]


async def test_arguments_that_are_not_those_of_the_question_do_not_run(stage: Stage) -> None:
    offer(stage, asks := tool("query"))
    shown = approval_for(asks, call("a", arguments='{"n": 1}'))
    tampered = Message(
        **{name: getattr(shown, name) for name in ("id", "role", "status", "created_at", "approval")},
        parts=(call("a", arguments='{"n": 2}'),),
    )
    async with stage.taking(user("Go."), tampered, decision=Decision("r", approved=True)):
        model = await stage.asked()
        model.say("Oh.")
        model.finish()

    assert stage.toolbox.calls == []


async def test_a_tool_that_is_gone_does_not_run(stage: Stage) -> None:
    asked = approval_for(tool("query"), call("a"))
    async with stage.taking(user("Go."), asked, decision=Decision("r", approved=True)):
        model = await stage.asked()
        model.say("Oh.")
        model.finish()

    assert "not offered at present" in stage.results()["a"]
