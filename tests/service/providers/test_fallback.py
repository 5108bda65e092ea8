"""A chain of providers: who is asked, when, and what is told when nobody answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest
from structlog.testing import capture_logs

from aichat_backend.chat.parts import ChatMessage, Role, TextPart
from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.base import (
    Capabilities,
    Event,
    Finished,
    FinishReason,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
)
from aichat_backend.providers.fallback import FallbackProvider, Link
from fakes.asking import question, told

CURABLE = [
    ProviderFailure.NOT_CONFIGURED,
    ProviderFailure.AUTH,
    ProviderFailure.RATE_LIMITED,
    ProviderFailure.OVERLOADED,
    ProviderFailure.UNAVAILABLE,
    ProviderFailure.TIMEOUT,
]
DONE = Finished(FinishReason.STOP)


class Scripted:
    """Says its events; the failure, if there is one, comes after them."""

    capabilities = Capabilities(pdfs=False)

    def __init__(
        self, name: str, *says: Event, failure: ProviderFailure | None = None, problem: str | None = None
    ) -> None:
        self.name = name
        self.asked: list[str] = []
        self.questions: list[ModelRequest] = []
        self.warmed = 0
        self.closed = 0
        self.left = asyncio.Event()
        self._says = says
        self._failure = failure
        self._problem = problem

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Event]:
        self.asked.append(request.model)
        self.questions.append(request)
        try:
            for event in self._says:
                yield event
            if self._failure is not None:
                raise ProviderError(self._failure, f"{self.name} is down", retry_after=len(self.asked))
        finally:
            self.left.set()

    async def warm(self) -> None:
        self.warmed += 1

    def problem(self) -> str | None:
        return self._problem

    async def aclose(self) -> None:
        self.closed += 1


def chain(first: Scripted, *others: Scripted) -> FallbackProvider:
    return FallbackProvider(first, [Link(other, f"model-of-{other.name}", 100_000) for other in others])


async def failed(provider: FallbackProvider) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await told(provider, question("first-model"))
    return caught.value


async def test_the_first_answers_unless_it_fails() -> None:
    first, second = Scripted("a", TextDelta("Hi"), DONE), Scripted("b", TextDelta("No"), DONE)

    assert await told(chain(first, second), question("first-model")) == [TextDelta("Hi"), DONE]
    assert (first.asked, second.asked) == (["first-model"], [])


@pytest.mark.parametrize("failure", CURABLE)
async def test_another_is_asked_for_its_own_model_where_it_may_help(failure: ProviderFailure) -> None:
    first, second = Scripted("a", failure=failure), Scripted("b", ReasoningDelta("Hm"), TextDelta("Hi"), DONE)

    with capture_logs() as logs:
        events = await told(chain(first, second), question("first-model"))

    assert events == [ReasoningDelta("Hm"), TextDelta("Hi"), Finished(FinishReason.STOP, model="model-of-b")]
    assert second.asked == ["model-of-b"]
    assert logs == [
        {
            "event": "provider_fallback",
            "log_level": "warning",
            "provider": "a",
            "model": "first-model",
            "failure": failure.value,
            "detail": "a is down",
            "next_provider": "b",
            "next_model": "model-of-b",
        }
    ]


async def test_each_is_asked_as_much_as_its_own_context_holds() -> None:
    first, second = Scripted("a", failure=ProviderFailure.TIMEOUT), Scripted("b", TextDelta("Hi"), DONE)
    messages = (
        ChatMessage(Role.USER, (TextPart("word " * 4_000),), opens_turn=True),
        ChatMessage(Role.ASSISTANT, (TextPart("So."),)),
        ChatMessage(Role.USER, (TextPart("And now?"),), opens_turn=True),
    )
    provider = FallbackProvider(first, [Link(second, "small", 2_000)])

    await told(provider, ModelRequest(model="large", messages=messages))

    assert [request.messages for request in first.questions] == [messages]
    assert [request.messages for request in second.questions] == [messages[2:]]


@pytest.mark.parametrize("failure", [failure for failure in ProviderFailure if failure not in CURABLE])
async def test_nobody_else_is_asked_what_is_wrong_with_the_question(failure: ProviderFailure) -> None:
    first, second = Scripted("a", failure=failure), Scripted("b", TextDelta("Hi"), DONE)

    error = await failed(chain(first, second))

    assert (error.failure, error.detail) == (failure, "a is down")
    assert second.asked == []


@pytest.mark.parametrize("begun", [TextDelta("Half"), ReasoningDelta("Hm"), DONE])
async def test_nobody_else_is_asked_once_an_answer_has_begun(begun: Event) -> None:
    first = Scripted("a", begun, failure=ProviderFailure.UNAVAILABLE)
    second = Scripted("b", TextDelta("Hi"), DONE)
    stream = chain(first, second).stream(question())

    assert await anext(stream) == begun
    with pytest.raises(ProviderError, match="a is down"):
        await anext(stream)
    assert second.asked == []


async def test_a_stand_in_that_breaks_off_is_not_stood_in_for() -> None:
    first = Scripted("a", failure=ProviderFailure.TIMEOUT)
    second = Scripted("b", TextDelta("Half"), failure=ProviderFailure.UNAVAILABLE)
    third = Scripted("c", TextDelta("Hi"), DONE)
    stream = chain(first, second, third).stream(question())

    assert await anext(stream) == TextDelta("Half")
    with pytest.raises(ProviderError, match="unavailable: b is down"):
        await anext(stream)
    assert third.asked == []


async def test_when_all_fail_it_is_the_first_ones_failure_with_all_details() -> None:
    first = Scripted("a", failure=ProviderFailure.RATE_LIMITED)
    second = Scripted("b", failure=ProviderFailure.AUTH)
    third = Scripted("c", failure=ProviderFailure.OVERLOADED)

    error = await failed(chain(first, second, third))

    assert (error.failure, error.retry_after) == (ProviderFailure.RATE_LIMITED, 1)
    assert error.detail == (
        "a first-model: rate_limited: a is down; b model-of-b: auth: b is down; c model-of-c: overloaded: c is down"
    )


async def test_a_stand_in_that_cannot_take_the_question_ends_the_chain_with_the_first_ones_failure() -> None:
    first = Scripted("a", failure=ProviderFailure.UNAVAILABLE)
    second = Scripted("b", failure=ProviderFailure.BAD_REQUEST)
    third = Scripted("c", TextDelta("Hi"), DONE)

    error = await failed(chain(first, second, third))

    assert error.failure is ProviderFailure.UNAVAILABLE
    assert "b model-of-b: bad_request: b is down" in error.detail
    assert third.asked == []


async def test_one_that_cannot_be_asked_is_passed_over() -> None:
    first = Scripted("a", failure=ProviderFailure.UNAVAILABLE)
    second = Scripted("b", problem="b has no key")
    third = Scripted("c", TextDelta("Hi"), DONE)

    assert (await told(chain(first, second, third)))[0] == TextDelta("Hi")
    assert second.asked == []


@pytest.mark.parametrize(
    ("problems", "told_problem"),
    [((None, None), None), (("no key", None), None), ((None, "no key"), None), (("no key", "none here"), "no key")],
)
def test_it_is_ready_as_long_as_one_is(problems: Sequence[str | None], told_problem: str | None) -> None:
    first, second = (Scripted(name, problem=problem) for name, problem in zip("ab", problems, strict=True))

    assert chain(first, second).problem() == told_problem


async def test_it_looks_like_the_first() -> None:
    first, second = Scripted("a"), Scripted("b")
    second.capabilities = Capabilities()

    provider = chain(first, second)

    assert (provider.name, provider.capabilities) == ("a", first.capabilities)


async def test_each_is_warmed_and_closed_once_however_often_it_is_in_the_chain() -> None:
    first, second = Scripted("a"), Scripted("b")
    provider = FallbackProvider(first, [Link(second, "m", 1_000), Link(first, "n", 1_000), Link(second, "o", 1_000)])

    await provider.warm()
    await provider.aclose()

    assert [(one.warmed, one.closed) for one in (first, second)] == [(1, 1), (1, 1)]


async def test_all_are_closed_even_when_closing_one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = Scripted("a"), Scripted("b"), Scripted("c")

    async def break_down() -> None:
        raise OSError("gone")

    monkeypatch.setattr(second, "aclose", break_down)

    with pytest.raises(OSError, match="gone"):
        await chain(first, second, third).aclose()

    assert (first.closed, third.closed) == (1, 1)


async def test_leaving_leaves_the_provider_that_answers() -> None:
    first, second = Scripted("a", failure=ProviderFailure.TIMEOUT), Scripted("b", TextDelta("Hi"), DONE)
    stream = chain(first, second).stream(question())
    await anext(stream)
    assert not second.left.is_set()

    await stream.aclose()

    assert second.left.is_set()
