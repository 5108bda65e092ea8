"""The provider on a real socket: everything that can go wrong with Claude, and what the caller is told."""

from __future__ import annotations

import asyncio
import socket
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.anthropic import AnthropicProvider
from aichat_backend.providers.base import TextDelta
from aichat_backend.providers.limits import TimeLimits
from fakes.anthropic_wire import answer, delta, error_event, event, failure, start, text
from fakes.asking import question, told
from fakes.fake_anthropic import KEY
from fakes.fake_provider import FakeProvider
from fakes.openai_wire import Act, Reply, hang

pytestmark = pytest.mark.thorough

QUESTION = question("claude-sonnet-5-5")
NO_RETRY = {"x-should-retry": "false"}
"""What a server says to have its error reported at once; it keeps these tests from waiting for retries."""


async def failed(provider: AnthropicProvider) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await told(provider, QUESTION)
    return caught.value


@asynccontextmanager
async def provider_at(base_url: str, limits: TimeLimits | None = None) -> AsyncIterator[AnthropicProvider]:
    provider = AnthropicProvider(api_key=KEY, base_url=base_url, limits=limits)
    yield provider
    await provider.aclose()


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (failure(401, "authentication_error", "invalid x-api-key"), ProviderFailure.AUTH),
        (failure(403, "permission_error"), ProviderFailure.AUTH),
        (failure(402, "billing_error"), ProviderFailure.AUTH),
        (failure(400, "invalid_request_error", "Your credit balance is too low to access"), ProviderFailure.AUTH),
        (
            failure(429, "rate_limit_error", code="enforced_spend_limit_reached", headers=NO_RETRY),
            ProviderFailure.AUTH,
        ),
        (failure(429, "rate_limit_error", headers=NO_RETRY), ProviderFailure.RATE_LIMITED),
        (
            failure(400, "invalid_request_error", "prompt is too long: 205000 tokens > 200000 maximum"),
            ProviderFailure.CONTEXT_LENGTH,
        ),
        (
            failure(400, "invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 3"),
            ProviderFailure.CONTEXT_LENGTH,
        ),
        (failure(413, "request_too_large", "Request exceeds the maximum size"), ProviderFailure.CONTEXT_LENGTH),
        (
            failure(400, "invalid_request_error", "Output blocked by content filtering policy"),
            ProviderFailure.CONTENT_FILTER,
        ),
        (failure(400, "invalid_request_error", "thinking.type: bad"), ProviderFailure.BAD_REQUEST),
        (failure(404, "not_found_error", "model: claude-9"), ProviderFailure.BAD_REQUEST),
        (failure(422, "something_new"), ProviderFailure.BAD_REQUEST),
        (failure(408, "timeout_error", headers=NO_RETRY), ProviderFailure.TIMEOUT),
        (failure(500, "api_error", headers=NO_RETRY), ProviderFailure.UNAVAILABLE),
        (failure(502, "something_new", headers=NO_RETRY), ProviderFailure.UNAVAILABLE),
        (failure(503, "something_new", headers=NO_RETRY), ProviderFailure.OVERLOADED),
        (failure(504, "timeout_error", headers=NO_RETRY), ProviderFailure.TIMEOUT),
        (failure(529, "overloaded_error", headers=NO_RETRY), ProviderFailure.OVERLOADED),
        (Reply((b"<html>Bad gateway</html>",), 502, NO_RETRY), ProviderFailure.UNAVAILABLE),
        (Reply((b'{"error": "loading"}',), 503, NO_RETRY), ProviderFailure.OVERLOADED),
        (Reply((b"",), 500, NO_RETRY), ProviderFailure.UNAVAILABLE),
        (Reply((error_event("overloaded_error"),)), ProviderFailure.OVERLOADED),
        (Reply((start() + text("Hi"),)), ProviderFailure.PROTOCOL),
        (Reply((start() + text("Hi"), Act.DROP)), ProviderFailure.UNAVAILABLE),
        (Reply((b"", Act.DROP)), ProviderFailure.UNAVAILABLE),
    ],
    ids=lambda value: value.value if isinstance(value, ProviderFailure) else None,
)
async def test_tells_what_the_caller_can_do(
    claude: AnthropicProvider, anthropic: FakeProvider, reply: Reply, expected: ProviderFailure
) -> None:
    anthropic.script(reply)

    error = await failed(claude)

    assert error.failure is expected, error.detail
    assert error.detail
    assert len(anthropic.exchanges) == 1


async def test_a_model_that_does_not_exist_is_named(claude: AnthropicProvider, anthropic: FakeProvider) -> None:
    anthropic.script(failure(404, "not_found_error", "model: claude-sonnet-5-5"))

    error = await failed(claude)

    assert "'claude-sonnet-5-5'" in error.detail
    assert anthropic.base_url in error.detail


async def test_what_was_said_before_the_connection_broke_is_kept(
    claude: AnthropicProvider, anthropic: FakeProvider
) -> None:
    anthropic.script(Reply((start() + text("Half"), Act.DROP)))
    stream = claude.stream(QUESTION)

    assert await anext(stream) == TextDelta("Half")
    with pytest.raises(ProviderError, match=r"unavailable: the connection failed"):
        await anext(stream)


async def test_nobody_listens_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with provider_at(f"http://127.0.0.1:{unused.getsockname()[1]}") as provider:
            error = await failed(provider)

    assert error.failure is ProviderFailure.UNAVAILABLE
    assert "ConnectionRefusedError" in error.detail


async def test_a_short_trouble_is_tried_again(claude: AnthropicProvider, anthropic: FakeProvider) -> None:
    anthropic.script(failure(529, "overloaded_error", headers={"retry-after-ms": "1"}), answer("Hi"))

    assert (await told(claude, QUESTION))[0] == TextDelta("Hi")
    assert len(anthropic.exchanges) == 2
    assert anthropic.exchanges[0].body == anthropic.exchanges[1].body


async def test_a_long_wait_is_reported_instead_of_waited_for(
    claude: AnthropicProvider, anthropic: FakeProvider
) -> None:
    anthropic.script(failure(429, "rate_limit_error", headers={"Retry-After": "17"}))

    error = await failed(claude)

    assert error.failure is ProviderFailure.RATE_LIMITED
    assert error.retry_after == 17
    assert len(anthropic.exchanges) == 1


async def test_nothing_is_tried_again_once_the_answer_has_begun(
    claude: AnthropicProvider, anthropic: FakeProvider
) -> None:
    anthropic.script(Reply((start() + text("Half"), Act.DROP)), answer("whole"))

    await failed(claude)

    assert len(anthropic.exchanges) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(claude: AnthropicProvider, anthropic: FakeProvider, status: int) -> None:
    target = anthropic.base_url + "/elsewhere"
    anthropic.script(Reply((b"",), status, {"Location": target}))

    error = await failed(claude)

    assert error.failure is ProviderFailure.BAD_REQUEST
    assert target in error.detail
    assert len(anthropic.exchanges) == 1


@pytest.mark.parametrize(
    "reply",
    [
        failure(401, "authentication_error", f"invalid key: {KEY}"),
        failure(401, KEY, code=KEY),
        failure(401, "authentication_error", "invalid key: sk-ant-****cdef"),
        Reply((f"<b>{KEY}</b>".encode(),), 400),
        Reply((b"",), 307, {"Location": f"http://example.org/?key={KEY}"}),
        Reply((error_event("api_error", f"bad {KEY}"),)),
        Reply((f"event: error\ndata: {KEY}\n\n".encode(),)),
        Reply((event({"type": KEY, "index": KEY}),)),
        Reply((delta(0, "text_delta", text={"key": KEY}),)),
    ],
)
async def test_the_key_is_never_shown(claude: AnthropicProvider, anthropic: FakeProvider, reply: Reply) -> None:
    anthropic.script(reply)

    error = await failed(claude)

    shown = " ".join([str(error), repr(error), error.detail, error.message, *traceback.format_exception(error)])
    assert KEY not in shown
    assert "cdef" not in shown
    assert KEY not in repr(claude)
    assert anthropic.last.headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("reply", "limits", "complaint"),
    [
        (hang(), TimeLimits(first_byte=0.3), "did not begin its answer within 0.3 s"),
        (Reply((b"", Act.HANG)), TimeLimits(first_byte=0.3), "did not begin its answer within 0.3 s"),
        (Reply((start() + text("Hi"), Act.HANG)), TimeLimits(idle=0.05), "was silent within 0.05 s"),
        (Reply((start() + text("Hi"), Act.HANG)), TimeLimits(total=0.2), "did not finish its answer within 0.2 s"),
    ],
)
async def test_time_limits(anthropic: FakeProvider, reply: Reply, limits: TimeLimits, complaint: str) -> None:
    anthropic.script(reply)
    async with provider_at(anthropic.base_url, limits) as provider:
        await provider.warm()

        error = await failed(provider)

    assert error.failure is ProviderFailure.TIMEOUT
    assert complaint in error.detail
    await asyncio.wait_for(anthropic.last.left.wait(), 5)


async def test_who_stops_listening_frees_the_connection(claude: AnthropicProvider, anthropic: FakeProvider) -> None:
    anthropic.script(Reply((start() + text("Hi"), Act.HANG)))
    stream = claude.stream(QUESTION)
    await anext(stream)

    await stream.aclose()

    await asyncio.wait_for(anthropic.last.left.wait(), 5)


async def test_who_is_cancelled_frees_the_connection(claude: AnthropicProvider, anthropic: FakeProvider) -> None:
    anthropic.script(hang())
    asking = asyncio.create_task(told(claude, QUESTION))
    exchange = await asyncio.wait_for(anthropic.request_arrived(), 5)

    asking.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.wait_for(exchange.left.wait(), 5)


async def test_without_a_key_nothing_is_asked() -> None:
    assert (await failed(AnthropicProvider(api_key=None))).failure is ProviderFailure.NOT_CONFIGURED
