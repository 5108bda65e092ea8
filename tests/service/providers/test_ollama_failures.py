"""The provider on a real socket: everything that can go wrong, and what the caller is told."""

from __future__ import annotations

import asyncio
import socket
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers import ollama_client
from aichat_backend.providers.base import TextDelta
from aichat_backend.providers.limits import TimeLimits
from aichat_backend.providers.ollama import OllamaProvider
from fakes.asking import KEY, question, told
from fakes.fake_ollama import fake_ollama
from fakes.fake_provider import FakeProvider
from fakes.ollama_wire import NDJSON, answer, failure, text
from fakes.openai_wire import Act, Reply, hang

pytestmark = pytest.mark.thorough

AT_ONCE = {"Retry-After": "0"}


@pytest.fixture
async def upstream() -> AsyncIterator[FakeProvider]:
    async with fake_ollama() as fake:
        yield fake


@pytest.fixture
async def provider(upstream: FakeProvider) -> AsyncIterator[OllamaProvider]:
    async with provider_at(upstream.base_url, TimeLimits(5, 5, 10)) as provider:
        yield provider


@asynccontextmanager
async def provider_at(base_url: str, limits: TimeLimits | None = None) -> AsyncIterator[OllamaProvider]:
    provider = OllamaProvider(api_key=KEY, base_url=base_url, limits=limits, context_tokens=4096)
    yield provider
    await provider.aclose()


async def failed(provider: OllamaProvider) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await told(provider, question("qwen3"))
    return caught.value


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (failure(400, "invalid options"), ProviderFailure.BAD_REQUEST),
        (failure(400, "the input length exceeds the context length"), ProviderFailure.CONTEXT_LENGTH),
        (failure(400, "gemma3 does not support tools"), ProviderFailure.BAD_REQUEST),
        (failure(400, '"gemma3" does not support thinking'), ProviderFailure.BAD_REQUEST),
        (failure(401, "unauthorized"), ProviderFailure.AUTH),
        (failure(403, "forbidden"), ProviderFailure.AUTH),
        (failure(404, "model 'qwen3' not found"), ProviderFailure.BAD_REQUEST),
        (failure(429, "too many requests"), ProviderFailure.RATE_LIMITED),
        (failure(500, "model requires more system memory"), ProviderFailure.UNAVAILABLE),
        (failure(502, "bad gateway"), ProviderFailure.UNAVAILABLE),
        (failure(504, "gateway timeout"), ProviderFailure.TIMEOUT),
        (Reply((b"<html>Bad gateway</html>",), 502, {}), ProviderFailure.UNAVAILABLE),
        (Reply((b"",), 500, {}), ProviderFailure.UNAVAILABLE),
        (Reply((b"x" * 1_000_000, Act.HANG), 500, {}), ProviderFailure.UNAVAILABLE),
        (Reply((b"<html>It works!</html>",), 200, {"Content-Type": "text/html"}), ProviderFailure.PROTOCOL),
        (Reply((text("Hi"),), headers=NDJSON), ProviderFailure.PROTOCOL),
        (Reply((text("Hi"), Act.DROP), headers=NDJSON), ProviderFailure.UNAVAILABLE),
        (Reply((b"", Act.DROP), headers=NDJSON), ProviderFailure.UNAVAILABLE),
        (Reply((text("Hi"), b'{"error":"gone"}\n'), headers=NDJSON), ProviderFailure.UNAVAILABLE),
    ],
    ids=lambda value: value.value if isinstance(value, ProviderFailure) else None,
)
async def test_tells_what_the_caller_can_do(
    provider: OllamaProvider, upstream: FakeProvider, reply: Reply, expected: ProviderFailure
) -> None:
    upstream.script(reply)

    error = await failed(provider)

    assert error.failure is expected, error.detail
    assert error.detail
    assert len(upstream.exchanges) == 1


async def test_a_model_that_is_not_there_is_named_with_the_remedy(
    provider: OllamaProvider, upstream: FakeProvider
) -> None:
    upstream.script(failure(404, "model 'qwen3' not found"))

    error = await failed(provider)

    assert "model 'qwen3' not found" in error.detail
    assert "`ollama pull qwen3`" in error.detail
    assert upstream.base_url in error.detail


async def test_a_busy_server_is_asked_again(provider: OllamaProvider, upstream: FakeProvider) -> None:
    upstream.script(failure(503, "server busy", headers=AT_ONCE), answer("Hi"))

    assert (await told(provider))[0] == TextDelta("Hi")
    assert len(upstream.exchanges) == 2


async def test_a_server_that_stays_busy_is_reported(provider: OllamaProvider, upstream: FakeProvider) -> None:
    upstream.script(failure(503, "server busy", headers=AT_ONCE))

    assert (await failed(provider)).failure is ProviderFailure.OVERLOADED
    assert len(upstream.exchanges) == 3


async def test_a_long_wait_is_reported_instead_of_waited_for(provider: OllamaProvider, upstream: FakeProvider) -> None:
    upstream.script(failure(503, "server busy", headers={"Retry-After": "17"}))

    error = await failed(provider)

    assert (error.failure, error.retry_after) == (ProviderFailure.OVERLOADED, 17)
    assert len(upstream.exchanges) == 1


async def test_nothing_is_tried_again_once_the_answer_has_begun(
    provider: OllamaProvider, upstream: FakeProvider
) -> None:
    upstream.script(Reply((text("Half"), Act.DROP), headers=NDJSON), answer("whole"))
    stream = provider.stream(question())

    assert await anext(stream) == TextDelta("Half")
    with pytest.raises(ProviderError, match=r"unavailable: the connection failed"):
        await anext(stream)
    assert len(upstream.exchanges) == 1


async def test_nobody_listens_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ollama_client, "_PAUSES", (0.0, 0.0))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with provider_at(f"http://127.0.0.1:{unused.getsockname()[1]}") as provider:
            error = await failed(provider)

    assert error.failure is ProviderFailure.UNAVAILABLE
    assert "ConnectionRefusedError" in error.detail


async def test_a_server_that_is_just_starting_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, upstream: FakeProvider
) -> None:
    """Its port is refused once, and then is the fake's."""
    monkeypatch.setattr(ollama_client, "_PAUSES", (0.0,))
    async with provider_at(upstream.base_url) as provider:
        await provider.warm()
        connect = asyncio.get_running_loop().sock_connect
        refusals = [ConnectionRefusedError(111, "refused")]

        async def refuse_once(sock: socket.socket, address: tuple[str, int]) -> None:
            if refusals:
                raise refusals.pop()
            await connect(sock, address)

        monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", refuse_once)
        assert (await told(provider))[0] == TextDelta("Hello")


async def test_no_such_host() -> None:
    async with provider_at("http://upstream.invalid") as provider:
        assert (await failed(provider)).failure is ProviderFailure.UNAVAILABLE


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(provider: OllamaProvider, upstream: FakeProvider, status: int) -> None:
    target = upstream.base_url + "/elsewhere"
    upstream.script(Reply((b"",), status, {"Location": target}))

    error = await failed(provider)

    assert error.failure is ProviderFailure.BAD_REQUEST
    assert target in error.detail
    assert len(upstream.exchanges) == 1


@pytest.mark.parametrize(
    "reply",
    [
        failure(401, f"unknown key {KEY}"),
        Reply((f"<b>{KEY}</b>".encode(),), 400, {}),
        Reply((b"",), 307, {"Location": f"http://example.org/?key={KEY}"}),
        Reply((f'{{"error":"bad {KEY}"}}\n'.encode(),), headers=NDJSON),
        Reply((f'{{"message":"{KEY}"}}\n'.encode(),), headers=NDJSON),
    ],
)
async def test_the_key_is_never_shown(provider: OllamaProvider, upstream: FakeProvider, reply: Reply) -> None:
    upstream.script(reply)

    error = await failed(provider)

    shown = " ".join([str(error), repr(error), error.detail, error.message, *traceback.format_exception(error)])
    assert KEY not in shown
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
async def test_time_limits(upstream: FakeProvider, reply: Reply, limits: TimeLimits, complaint: str) -> None:
    upstream.script(reply)
    async with provider_at(upstream.base_url, limits) as provider:
        error = await failed(provider)

    assert error.failure is ProviderFailure.TIMEOUT
    assert complaint in error.detail
    await asyncio.wait_for(upstream.last.left.wait(), 5)


@pytest.mark.parametrize("reply", [hang(), Reply((b"", Act.HANG)), Reply((text("Hi"), Act.HANG))])
async def test_cancelling_the_reader_frees_the_connection(
    provider: OllamaProvider, upstream: FakeProvider, reply: Reply
) -> None:
    upstream.script(reply)
    reader = asyncio.create_task(told(provider))
    exchange = await upstream.request_arrived()

    reader.cancel()

    with pytest.raises(asyncio.CancelledError):
        await reader
    await asyncio.wait_for(exchange.left.wait(), 5)


async def test_closing_the_stream_frees_the_connection(provider: OllamaProvider, upstream: FakeProvider) -> None:
    upstream.script(Reply((text("Hi"), Act.HANG)))
    stream = provider.stream(question())
    await anext(stream)

    await stream.aclose()

    await asyncio.wait_for(upstream.last.left.wait(), 5)
