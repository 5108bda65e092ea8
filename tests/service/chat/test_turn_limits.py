"""How far one answer may go: rounds, calls, tokens, seconds."""

from __future__ import annotations

import pytest
from msgspec import structs

from aichat_backend.chat.approvals import Decision
from aichat_backend.chat.estimates import estimated_usage
from aichat_backend.chat.executions import NOT_NOTED
from aichat_backend.chat.parts import TextPart, Usage, text_of
from aichat_backend.chat.tools import ToolPolicy
from aichat_backend.chat.turn_limits import TurnLimits
from aichat_backend.errors import ProviderError, ProviderFailure
from fakes.messages import assistant, call, result, user
from fakes.stage import Stage, approval_for, offer, waiting
from fakes.toolbox import Gate, tool

AUTO = ToolPolicy.AUTO


async def test_a_model_that_always_calls_tools_stops_at_the_limit_and_says_so(stage: Stage) -> None:
    stage.limits = TurnLimits(rounds=2)
    offer(stage, tool("query", policy=AUTO, read_only=True))
    async with stage.taking() as task:
        for id_ in ("a", "b", "c"):
            model = await stage.asked()
            model.use(id_, "query")
            model.finish()

    assert await waiting(task) == []
    assert len(stage.toolbox.calls) == 2
    assert "Nothing ran: the limit of 2 rounds" in stage.results()["c"]
    assert "the limit of 2 rounds of tool calls" in stage.events()[-1]["content"]


async def test_rounds_and_calls_of_earlier_turns_do_not_count(stage: Stage) -> None:
    stage.limits = TurnLimits(rounds=1, calls=1)
    offer(stage, tool("query", policy=AUTO, read_only=True))
    async with stage.taking(user("Go."), assistant(call("z"), result("z"), "Done."), user("Again.")):
        model = await stage.asked()
        model.use("a", "query")
        model.finish()
        model = await stage.asked()
        model.say("Done.")
        model.finish()

    assert stage.results() == {"a": "query was run"}


async def test_calls_before_an_approval_count(stage: Stage) -> None:
    stage.limits = TurnLimits(calls=2)
    offer(stage, asks := tool("query"))
    asked = approval_for(asks, call("a"))
    async with stage.taking(user("Go."), asked, decision=Decision("r", approved=True)) as task:
        model = await stage.asked()
        model.use("b", "query")
        model.use("c", "query")
        model.finish()

    assert await waiting(task) == ["b"]
    assert "limit of 2 tool calls" in stage.results()["c"]


async def test_a_turn_that_costs_too_much_stops_and_says_so(stage: Stage) -> None:
    stage.limits = TurnLimits(tokens=1_000)
    offer(stage, tool("query", policy=AUTO))
    async with stage.taking():
        model = await stage.asked()
        model.use("a", "query")
        model.finish(Usage(900, 101))

    assert stage.toolbox.calls == []
    assert "limit of 1000 tokens" in text_of(stage.draft.parts())


async def test_a_turn_that_spends_the_rest_of_the_day_s_tokens_stops_before_it_turns_to_tools(stage: Stage) -> None:
    stage.tokens_per_day = 1_000
    stage.spent = {"1": 898, "2": 5_000}
    offer(stage, tool("query", policy=AUTO, read_only=True))
    async with stage.taking() as task:
        model = await stage.asked()
        model.use("a", "query")
        model.finish(Usage(50, 1))
        model = await stage.asked()
        model.use("b", "query")
        model.finish(Usage(50, 1))

    assert await waiting(task) == []
    assert len(stage.toolbox.calls) == 1
    assert "Nothing ran: the limit of 1000 tokens for a day" in stage.results()["b"]
    ending = stage.events()[-1]["content"]
    assert "the limit of 1000 tokens for a day is reached" in ending
    assert "tomorrow" in ending
    assert "go on" not in ending


async def test_nor_is_the_user_asked_about_calls_when_the_day_s_tokens_are_spent(stage: Stage) -> None:
    stage.tokens_per_day = 1_000
    offer(stage, tool("query"))
    async with stage.taking() as task:
        model = await stage.asked()
        model.use("a", "query")
        model.finish(Usage(999, 1))

    assert await waiting(task) == []


async def test_what_an_answer_spends_by_itself_is_limited_also_while_the_account_is_away(stage: Stage) -> None:
    stage.tokens_per_day = 1_000
    stage.away = True
    offer(stage, tool("query", policy=AUTO, read_only=True))
    async with stage.taking():
        model = await stage.asked()
        model.use("a", "query")
        model.finish(Usage(999, 0))
        model = await stage.asked()
        model.use("b", "query")
        model.finish(Usage(1, 0))

    assert stage.results()["a"] == NOT_NOTED
    assert "tokens for a day" in stage.results()["b"]


async def test_what_the_provider_does_not_count_is_estimated_and_counts(stage: Stage) -> None:
    stage.limits = TurnLimits(tokens=1_000)
    offer(stage, tool("query", policy=AUTO))
    async with stage.taking():
        model = await stage.asked()
        model.say("word " * 1_000)
        model.use("a", "query")
        model.finish()

    assert stage.toolbox.calls == []
    assert "limit of 1000 tokens" in text_of(stage.draft.parts())


async def test_only_the_round_that_was_not_counted_is_estimated(stage: Stage) -> None:
    offer(stage, tool("query", policy=AUTO))
    async with stage.taking() as task:
        model = await stage.asked()
        model.say("word " * 10_000)
        model.use("a", "query")
        model.finish(Usage(100_000, 7))
        model = await stage.asked()
        model.say("Half")
        await stage.said("Half")
        task.cancel()

    estimate = estimated_usage(model.request, (TextPart("Half"),))
    assert stage.draft.usage == Usage(100_000, 7) + estimate
    assert stage.draft.usage.estimated
    assert estimate.input_tokens > 10_000, "what was said before is sent again"


@pytest.mark.parametrize("failure", ProviderFailure)
@pytest.mark.parametrize("said", [True, False])
async def test_a_failure_costs_what_was_asked_unless_the_question_was_refused(
    stage: Stage, failure: ProviderFailure, *, said: bool
) -> None:
    async with stage.taking():
        model = await stage.asked()
        if said:
            model.say("Half")
        model.fail(ProviderError(failure, "no"))

    heard = {ProviderFailure.TIMEOUT, ProviderFailure.CONTENT_FILTER, ProviderFailure.PROTOCOL}
    assert (stage.draft.usage is not None) == (said or failure in heard)


async def test_a_tool_that_takes_too_long_is_stopped_with_the_turn_which_says_so(stage: Stage) -> None:
    stage.limits = TurnLimits(seconds=0.5)
    gate = Gate()
    offer(stage, tool("slow", policy=AUTO))
    stage.toolbox.behaviours["slow"] = gate
    async with stage.taking() as task:
        model = await stage.asked()
        model.use("a", "slow")
        model.finish()

    assert await waiting(task) == []
    assert gate.left.is_set()
    assert "stopped while the tool ran" in stage.results()["a"]
    assert "limit of 0.5 seconds" in text_of(stage.draft.parts())


async def test_a_model_that_takes_too_long_is_stopped_with_the_turn_which_says_so(stage: Stage) -> None:
    stage.limits = TurnLimits(seconds=0.5)
    offer(stage, tool("query", policy=AUTO))
    async with stage.taking() as task:
        model = await stage.asked()
        model.use("a", "query")
        model.say("Half an")

    assert await waiting(task) == []
    assert model.left.is_set()
    assert "Nothing ran: the limit of 0.5 seconds" in stage.results()["a"]
    assert stage.events()[-1]["content"].startswith("\n\n*I stop here: the limit of 0.5 seconds")


async def test_a_sentence_that_is_cut_short_does_not_run_into_the_reason(stage: Stage) -> None:
    stage.limits = TurnLimits(seconds=0.5)
    async with stage.taking():
        (await stage.asked()).say("Half an")

    assert text_of(stage.draft.parts()).startswith("Half an\n\n*I stop here")
    assert stage.events()[-1]["content"].startswith("\n\n*I stop here")


async def test_rounds_before_an_approval_count(stage: Stage) -> None:
    stage.limits = TurnLimits(rounds=1)
    offer(stage, asks := tool("query"))
    asked = approval_for(asks, call("a"))
    async with stage.taking(user("Go."), asked, decision=Decision("r", approved=True)):
        model = await stage.asked()
        model.use("b", "query")
        model.finish()

    assert stage.results().keys() == {"a", "b"}
    assert "limit of 1 rounds" in stage.results()["b"]


async def test_calls_of_one_round_with_words_between_them_are_one_round(stage: Stage) -> None:
    stage.limits = TurnLimits(rounds=2)
    offer(stage, asks := tool("query"))
    asked = approval_for(asks, call("a"), call("b"))
    asked = structs.replace(asked, parts=(call("a"), TextPart("And then:"), call("b")))
    async with stage.taking(user("Go."), asked, decision=Decision("r", approved=True)) as task:
        model = await stage.asked()
        model.use("c", "query")
        model.finish()

    assert await waiting(task) == ["c"]
