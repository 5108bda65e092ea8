"""The provider on a real socket: everything that can go wrong, and what the caller is told."""

from __future__ import annotations

import asyncio
import socket
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.base import TextDelta
from aichat_backend.providers.limits import TimeLimits
from aichat_backend.providers.openai import OpenAIProvider
from fakes.asking import KEY, question, told
from fakes.fake_openai import FakeOpenAI
from fakes.openai_wire import Act, Reply, answer, failure, hang, text

pytestmark = pytest.mark.thorough

NO_RETRY = {"x-should-retry": "false"}
"""What a server says to have its error reported at once; it keeps these tests from waiting for retries."""


async def failed(provider: OpenAIProvider) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await told(provider)
    return caught.value


@asynccontextmanager
async def provider_at(base_url: str, limits: TimeLimits | None = None) -> AsyncIterator[OpenAIProvider]:
    provider = OpenAIProvider(api_key=KEY, base_url=base_url, limits=limits)
    yield provider
    await provider.aclose()


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (failure(401, "Incorrect API key", code="invalid_api_key"), ProviderFailure.AUTH),
        (failure(403, "Country not supported", code="unsupported_country"), ProviderFailure.AUTH),
        (failure(402, "Insufficient balance"), ProviderFailure.AUTH),
        (failure(429, "Slow", code="rate_limit_exceeded", headers=NO_RETRY), ProviderFailure.RATE_LIMITED),
        (failure(429, "Quota", code="insufficient_quota", headers=NO_RETRY), ProviderFailure.AUTH),
        (failure(400, "Too long", code="context_length_exceeded"), ProviderFailure.CONTEXT_LENGTH),
        (failure(400, "This model's maximum context length is 8192 tokens"), ProviderFailure.CONTEXT_LENGTH),
        (failure(413, "Request too large"), ProviderFailure.CONTEXT_LENGTH),
        (failure(400, "Filtered", code="content_filter"), ProviderFailure.CONTENT_FILTER),
        (failure(400, "Unknown parameter"), ProviderFailure.BAD_REQUEST),
        (failure(422, "Unprocessable"), ProviderFailure.BAD_REQUEST),
        (failure(404, "No such model", code="model_not_found"), ProviderFailure.BAD_REQUEST),
        (failure(408, "Timeout", headers=NO_RETRY), ProviderFailure.TIMEOUT),
        (failure(500, "Oops", kind="server_error", headers=NO_RETRY), ProviderFailure.UNAVAILABLE),
        (failure(502, "Bad gateway", headers=NO_RETRY), ProviderFailure.UNAVAILABLE),
        (failure(503, "Overloaded", headers=NO_RETRY), ProviderFailure.OVERLOADED),
        (failure(504, "Gateway timeout", headers=NO_RETRY), ProviderFailure.TIMEOUT),
        (failure(529, "Overloaded", headers=NO_RETRY), ProviderFailure.OVERLOADED),
        (Reply((b"<html>Bad gateway</html>",), 502, NO_RETRY), ProviderFailure.UNAVAILABLE),
        (Reply((b'{"error": "model is loading"}',), 503, NO_RETRY), ProviderFailure.OVERLOADED),
        (Reply((b"",), 500, NO_RETRY), ProviderFailure.UNAVAILABLE),
        (Reply((text("Hi"),)), ProviderFailure.PROTOCOL),
        (Reply((text("Hi"), Act.DROP)), ProviderFailure.UNAVAILABLE),
        (Reply((b"", Act.DROP)), ProviderFailure.UNAVAILABLE),
    ],
    ids=lambda value: value.value if isinstance(value, ProviderFailure) else None,
)
async def test_tells_what_the_caller_can_do(
    provider: OpenAIProvider, upstream: FakeOpenAI, reply: Reply, expected: ProviderFailure
) -> None:
    upstream.script(reply)

    error = await failed(provider)

    assert error.failure is expected, error.detail
    assert error.detail
    assert len(upstream.exchanges) == 1


async def test_a_model_that_does_not_exist_is_named(provider: OpenAIProvider, upstream: FakeOpenAI) -> None:
    upstream.script(failure(404, "The model does not exist", code="model_not_found"))

    error = await failed(provider)

    assert "'gpt-4o-mini'" in error.detail
    assert upstream.base_url in error.detail


async def test_what_was_said_before_the_connection_broke_is_kept(
    provider: OpenAIProvider, upstream: FakeOpenAI
) -> None:
    upstream.script(Reply((text("Half"), Act.DROP)))
    stream = provider.stream(question())

    assert await anext(stream) == TextDelta("Half")
    with pytest.raises(ProviderError, match=r"unavailable: the connection failed"):
        await anext(stream)


async def test_nobody_listens_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with provider_at(f"http://127.0.0.1:{unused.getsockname()[1]}/v1") as provider:
            error = await failed(provider)

    assert error.failure is ProviderFailure.UNAVAILABLE
    assert "ConnectionRefusedError" in error.detail


async def test_no_such_host() -> None:
    async with provider_at("http://upstream.invalid/v1") as provider:
        assert (await failed(provider)).failure is ProviderFailure.UNAVAILABLE


async def test_something_that_does_not_speak_http() -> None:
    async def talk_nonsense(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 smtp.example.org ESMTP\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(talk_nonsense, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with provider_at(f"http://127.0.0.1:{port}/v1") as provider:
            assert (await failed(provider)).failure is ProviderFailure.UNAVAILABLE


async def test_a_short_trouble_is_tried_again(provider: OpenAIProvider, upstream: FakeOpenAI) -> None:
    upstream.script(failure(500, headers={"retry-after-ms": "1"}), answer("Hi"))

    assert (await told(provider))[0] == TextDelta("Hi")
    assert len(upstream.exchanges) == 2


async def test_a_long_wait_is_reported_instead_of_waited_for(provider: OpenAIProvider, upstream: FakeOpenAI) -> None:
    upstream.script(failure(429, "Slow", code="rate_limit_exceeded", headers={"Retry-After": "17"}))

    error = await failed(provider)

    assert error.failure is ProviderFailure.RATE_LIMITED
    assert error.retry_after == 17
    assert len(upstream.exchanges) == 1


async def test_nothing_is_tried_again_once_the_answer_has_begun(provider: OpenAIProvider, upstream: FakeOpenAI) -> None:
    upstream.script(Reply((text("Half"), Act.DROP)), answer("whole"))

    await failed(provider)

    assert len(upstream.exchanges) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(provider: OpenAIProvider, upstream: FakeOpenAI, status: int) -> None:
    target = upstream.base_url + "/elsewhere"
    upstream.script(Reply((b"",), status, {"Location": target}))

    error = await failed(provider)

    assert error.failure is ProviderFailure.BAD_REQUEST
    assert target in error.detail
    assert len(upstream.exchanges) == 1


@pytest.mark.parametrize(
    "reply",
    [
        failure(401, f"Incorrect API key provided: {KEY}. Check it.", code=KEY),
        failure(401, "Incorrect API key provided: sk-proj-****cdef"),
        Reply((f"<b>{KEY}</b>".encode(),), 400),
        Reply((b"",), 307, {"Location": f"http://example.org/?key={KEY}"}),
        Reply((f'data: {{"error":{{"message":"bad {KEY}"}}}}\n\n'.encode(),)),
        Reply((f"event: error\ndata: {KEY}\n\n".encode(),)),
        Reply((f'data: {{"choices":"{KEY}"}}\n\n'.encode(),)),
    ],
)
async def test_the_key_is_never_shown(provider: OpenAIProvider, upstream: FakeOpenAI, reply: Reply) -> None:
    upstream.script(reply)

    error = await failed(provider)

    shown = " ".join([str(error), repr(error), error.detail, error.message, *traceback.format_exception(error)])
    assert KEY not in shown
    assert "cdef" not in shown
    assert KEY not in repr(provider)
    assert upstream.last.headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("reply", "limits", "complaint"),
    [
        (hang(), TimeLimits(first_byte=0.3), "did not begin its answer within 0.3 s"),
        (Reply((b"", Act.HANG)), TimeLimits(first_byte=0.3), "did not begin its answer within 0.3 s"),
        (Reply((text("Hi"), Act.HANG)), TimeLimits(idle=0.05), "was silent within 0.05 s"),
        (Reply((text("Hi"), Act.HANG)), TimeLimits(total=0.2), "did not finish its answer within 0.2 s"),
        (hang(), TimeLimits(total=0.3), "did not finish its answer within 0.3 s"),
    ],
)
async def test_time_limits(upstream: FakeOpenAI, reply: Reply, limits: TimeLimits, complaint: str) -> None:
    upstream.script(reply)
    async with provider_at(upstream.base_url, limits) as provider:
        await provider.warm()

        error = await failed(provider)

    assert error.failure is ProviderFailure.TIMEOUT
    assert complaint in error.detail
    await asyncio.wait_for(upstream.last.left.wait(), 5)


async def test_closing_the_stream_frees_the_connection(provider: OpenAIProvider, upstream: FakeOpenAI) -> None:
    upstream.script(Reply((text("Hi"), Act.HANG)))
    stream = provider.stream(question())
    await anext(stream)

    await stream.aclose()

    await asyncio.wait_for(upstream.last.left.wait(), 5)


@pytest.mark.parametrize("reply", [hang(), Reply((b"", Act.HANG)), Reply((text("Hi"), Act.HANG))])
async def test_cancelling_the_reader_frees_the_connection(
    provider: OpenAIProvider, upstream: FakeOpenAI, reply: Reply
) -> None:
    upstream.script(reply)
    reader = asyncio.create_task(told(provider))
    exchange = await upstream.request_arrived()

    reader.cancel()

    with pytest.raises(asyncio.CancelledError):
        await reader
    await asyncio.wait_for(exchange.left.wait(), 5)


async def test_without_a_key_it_says_what_to_do() -> None:
    provider = OpenAIProvider(api_key=None)

    assert "AICHAT_API_KEY" in (provider.problem() or "")
    await provider.warm()
    assert (await failed(provider)).failure is ProviderFailure.NOT_CONFIGURED
    await provider.aclose()


async def test_a_server_of_ones_own_needs_no_key(upstream: FakeOpenAI) -> None:
    provider = OpenAIProvider(api_key=None, base_url=upstream.base_url)

    assert provider.problem() is None
    assert (await told(provider))[0] == TextDelta("Hello")
    assert upstream.last.headers["Authorization"] == "Bearer no-key-needed"
    await provider.aclose()
