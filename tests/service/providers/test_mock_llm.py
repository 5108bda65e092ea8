"""All vendors' protocols, as a program that is not ours speaks them: every provider tells the same conversation."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from aichat_backend.chat.parts import ChatMessage, Role, TextPart, ToolCallPart, ToolResultPart
from aichat_backend.config.providers import DEFAULT_MODELS, ProviderName
from aichat_backend.config.secrets import Secret
from aichat_backend.config.settings import Settings
from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.base import (
    Event,
    Finished,
    FinishReason,
    ModelRequest,
    Provider,
    TextDelta,
    ToolCall,
    ToolSpec,
)
from aichat_backend.providers.registry import build_provider
from fakes.asking import KEY, told
from fakes.mock_llm import Heard, MockLLM, mock_llm
from fakes.processes import STARTS_PROCESSES

pytestmark = STARTS_PROCESSES

PATHS = {
    ProviderName.OPENAI: "/v1/chat/completions",
    ProviderName.ANTHROPIC: "/v1/messages",
    ProviderName.GEMINI: "/v1beta/models/",
    ProviderName.OLLAMA: "/api/chat",
}
LOAD = ToolSpec(
    "load",
    "How busy a database is",
    {
        "type": "object",
        "properties": {"database": {"type": "string"}, "hours": {"type": "integer"}},
        "required": ["database"],
    },
)


@pytest.fixture(scope="session")
def mock() -> Iterator[MockLLM]:
    with mock_llm(Path(__file__).with_name("mock_llm.json")) as running:
        yield running


@pytest.fixture(params=PATHS)
def name(request: pytest.FixtureRequest) -> ProviderName:
    return ProviderName(request.param)


@pytest.fixture
async def provider(name: ProviderName, mock: MockLLM) -> AsyncIterator[Provider]:
    below = "/v1" if name is ProviderName.OPENAI else ""
    provider = build_provider(
        Settings(llm_provider=name, llm_base_url=mock.address + below, api_key=Secret(KEY), llm_total_timeout=20)
    )
    yield provider
    await provider.aclose()


def asked(name: ProviderName, text: str, *more: ChatMessage, tools: tuple[ToolSpec, ...] = ()) -> ModelRequest:
    question = ChatMessage(Role.USER, (TextPart(text),))
    return ModelRequest(
        model=DEFAULT_MODELS[name], system="You know databases.", messages=(question, *more), tools=tools
    )


def only(requests: list[Heard]) -> Heard:
    assert len(requests) == 1, requests
    return requests[0]


async def finish(said: AsyncIterator[Event]) -> None:
    async for event in said:
        assert isinstance(event, TextDelta)


def text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_text_streams(provider: Provider, name: ProviderName, mock: MockLLM) -> None:
    question = "Which database is slow?"

    events = await told(provider, asked(name, question))

    assert text(events) == (
        "The one called orders is slow: its disk has been busy since Tuesday, and its cache is too small."
    )
    assert len(events) > 2, "it came in one piece"
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.reason is FinishReason.STOP
    assert finished.usage is not None
    heard = only(mock.heard(question, PATHS[name]))
    assert heard.model == DEFAULT_MODELS[name]
    assert {"role": "system", "content": "You know databases."} in heard.messages


async def test_parallel_calls_and_their_results(provider: Provider, name: ProviderName, mock: MockLLM) -> None:
    question = "Look at both databases."

    events = await told(provider, asked(name, question, tools=(LOAD,)))

    assert text(events) == "I shall look at both."
    calls = [event for event in events if isinstance(event, ToolCall)]
    wanted = [("load", {"database": "orders", "hours": 24}), ("load", {"database": "stock", "hours": 24})]
    assert [(call.name, json.loads(call.arguments)) for call in calls] == wanted
    assert len({call.id for call in calls}) == 2
    assert isinstance(events[-1], Finished)
    assert events[-1].reason is FinishReason.TOOL_CALLS

    back = asked(
        name,
        question,
        ChatMessage(
            Role.ASSISTANT,
            (TextPart(text(events)), *(ToolCallPart(c.id, c.name, c.arguments, c.state) for c in calls)),
        ),
        ChatMessage(
            Role.USER,
            (
                ToolResultPart(calls[0].id, "load", "95 percent"),
                ToolResultPart(calls[1].id, "load", "connection refused", is_error=True),
            ),
        ),
        tools=(LOAD,),
    )
    answer = await told(provider, back)

    assert text(answer) == "orders is busy, stock could not be asked."
    assert isinstance(answer[-1], Finished)
    assert answer[-1].reason is FinishReason.STOP
    first, second = mock.heard(question, PATHS[name])
    assert first.tools == second.tools == ["load"]
    assert [(called, arguments) for _, called, arguments in second.calls] == wanted
    assert len(second.results) == 2
    told_ids = [call_id for call_id, _ in second.results]
    assert told_ids == ([None] * 2 if name is ProviderName.OLLAMA else [call_id for call_id, _, _ in second.calls])
    assert "95 percent" in second.results[0][1]
    assert "connection refused" in second.results[1][1]


async def test_a_rate_limit_says_how_long_to_wait(provider: Provider, name: ProviderName, mock: MockLLM) -> None:
    question = "Are you there?"

    with pytest.raises(ProviderError) as refused:
        await told(provider, asked(name, question))

    assert refused.value.failure is ProviderFailure.RATE_LIMITED
    assert refused.value.retry_after == 30
    assert only(mock.heard(question, PATHS[name])).status == 429


async def test_a_broken_provider_is_reported(provider: Provider, name: ProviderName, mock: MockLLM) -> None:
    question = "Are you well?"

    with pytest.raises(ProviderError) as refused:
        await told(provider, asked(name, question))

    assert refused.value.failure is ProviderFailure.UNAVAILABLE
    assert {heard.status for heard in mock.heard(question, PATHS[name])} == {500}


async def test_a_busy_provider_is_asked_again_before_it_is_reported(
    provider: Provider, name: ProviderName, mock: MockLLM
) -> None:
    question = "Are you busy?"

    with pytest.raises(ProviderError) as refused:
        await told(provider, asked(name, question))

    assert refused.value.failure is ProviderFailure.OVERLOADED
    assert [heard.status for heard in mock.heard(question, PATHS[name])] == [503, 503, 503]


async def test_an_answer_that_breaks_off_is_an_error_after_its_beginning(
    provider: Provider, name: ProviderName, mock: MockLLM
) -> None:
    question = "Tell me everything."
    said = provider.stream(asked(name, question))

    begun = await anext(said)
    with pytest.raises(ProviderError) as broken:
        await finish(said)

    assert isinstance(begun, TextDelta)
    assert "Everything is a long story".startswith(begun.text[:26])
    assert broken.value.failure in (ProviderFailure.UNAVAILABLE, ProviderFailure.PROTOCOL)
    assert only(mock.heard(question, PATHS[name])).status == 200
