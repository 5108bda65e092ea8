"""How providers are reached: what is sent beside the question, proxies, and errors that do not end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.anthropic import AnthropicProvider
from aichat_backend.providers.openai import OpenAIProvider
from aichat_backend.providers.streamed import StreamedProvider
from fakes.asking import KEY, told
from fakes.fake_openai import FakeOpenAI
from fakes.fake_provider import FakeProvider

pytestmark = pytest.mark.thorough


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    """The application's address, while it is served."""
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    yield f"http://127.0.0.1:{port}"
    await runner.cleanup()


async def test_vendors_are_told_nothing_about_this_machine(
    provider: OpenAIProvider, upstream: FakeOpenAI, claude: AnthropicProvider, anthropic: FakeProvider
) -> None:
    await told(provider)
    await told(claude)

    for sent in (upstream.last, anthropic.last):
        assert not [name for name in sent.headers if name.lower().startswith("x-stainless-")]


@pytest.mark.parametrize("vendor", [OpenAIProvider, AnthropicProvider])
async def test_questions_take_the_proxy_that_the_environment_names(
    vendor: type[StreamedProvider[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def relay(request: web.Request) -> web.Response:
        asked.append(request.raw_path if request.raw_path.startswith("http") else str(request.url))
        return web.Response(status=400)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", relay)
    async with served(app) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", "")
        provider = vendor(api_key=KEY, base_url="http://models.example:8080/v1")
        with pytest.raises(ProviderError):
            await told(provider)
        await provider.aclose()

    assert [url.startswith("http://models.example:8080/v1/") for url in asked] == [True]


async def test_a_host_without_proxy_is_asked_directly(
    upstream: FakeOpenAI, provider: OpenAIProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    await told(provider)

    assert upstream.last.path == "/v1/chat/completions"


async def test_an_error_without_end_is_read_as_far_as_anyone_would_read_it() -> None:
    left = asyncio.Event()

    async def complain(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=400)
        await response.prepare(request)
        try:
            while True:
                await response.write(b"no " * 4096)
        except ConnectionError:
            left.set()
        return response

    app = web.Application()
    app.router.add_post("/v1/chat/completions", complain)
    async with served(app) as address:
        provider = OpenAIProvider(api_key=KEY, base_url=f"{address}/v1")
        with pytest.raises(ProviderError, match="HTTP 400") as caught:
            await told(provider)
        async with asyncio.timeout(5):
            await left.wait()
        await provider.aclose()

    assert caught.value.failure is ProviderFailure.BAD_REQUEST
