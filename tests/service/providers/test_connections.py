"""How providers are reached: what is sent beside the question, proxies, and errors that do not end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web

from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers import connections
from aichat_backend.providers.anthropic import AnthropicProvider
from aichat_backend.providers.gemini import GeminiProvider
from aichat_backend.providers.ollama import OllamaProvider
from aichat_backend.providers.openai import OpenAIProvider
from aichat_backend.providers.streamed import StreamedProvider
from fakes.asking import KEY, told
from fakes.fake_openai import FakeOpenAI
from fakes.fake_provider import FakeProvider
from fakes.openai_wire import answer

pytestmark = pytest.mark.thorough

REMOTE = "http://models.example:8080/v1"
BASIC = "Basic dXNlcjpzZWNyZXQ="
"""What `user:secret` is in a header."""


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    """The application's address, while it is served."""
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def relayed(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[web.Request]]:
    """What a proxy, which the environment names with a password, is asked; it refuses all of it."""
    asked: list[web.Request] = []

    async def refuse(request: web.Request) -> web.Response:
        asked.append(request)
        return web.Response(status=400)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", refuse)
    async with served(app) as address:
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, address.replace("://", "://user:secret@"))
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.setenv(name, "0.0.0.0")
        yield asked


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[ClientSession]:
    """Every session that is opened."""
    sessions: list[ClientSession] = []
    really_open = connections.open_session

    async def remember(address: str, **options: Any) -> ClientSession:
        sessions.append(await really_open(address, **options))
        return sessions[-1]

    monkeypatch.setattr(connections, "open_session", remember)
    return sessions


async def test_vendors_are_told_nothing_about_this_machine(
    provider: OpenAIProvider, upstream: FakeOpenAI, claude: AnthropicProvider, anthropic: FakeProvider
) -> None:
    await told(provider)
    await told(claude)

    for sent in (upstream.last, anthropic.last):
        assert not [name for name in sent.headers if name.lower().startswith("x-stainless-")]


@pytest.mark.parametrize("vendor", [OpenAIProvider, AnthropicProvider, GeminiProvider])
async def test_questions_take_the_proxy_that_the_environment_names(
    vendor: type[StreamedProvider[object]], relayed: list[web.Request]
) -> None:
    async with aclosing(vendor(api_key=KEY, base_url=REMOTE)) as provider:
        with pytest.raises(ProviderError):
            await told(provider)

    assert [(request.host, request.headers["Proxy-Authorization"]) for request in relayed] == [
        ("models.example", BASIC)
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
async def test_this_machine_and_hosts_without_proxy_are_asked_directly(
    upstream: FakeOpenAI, relayed: list[web.Request], host: str
) -> None:
    address = upstream.base_url.replace("127.0.0.1", host)
    async with aclosing(OpenAIProvider(api_key=KEY, base_url=address)) as provider:
        await told(provider)

    assert upstream.last.path == "/v1/chat/completions"
    assert relayed == []


async def test_passwords_of_other_programs_are_not_sent(
    relayed: list[web.Request], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine models.example login user password secret")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with aclosing(OpenAIProvider(api_key=KEY, base_url=REMOTE)) as provider:
        with pytest.raises(ProviderError):
            await told(provider)

    assert [request.headers["Authorization"] for request in relayed] == [f"Bearer {KEY}"]


@pytest.mark.parametrize(("key", "sent"), [(None, BASIC), (KEY, f"Bearer {KEY}")])
async def test_a_key_takes_the_place_of_credentials_in_the_address(
    upstream: FakeOpenAI, anthropic: FakeProvider, key: str | None, sent: str
) -> None:
    for vendor, fake in ((OpenAIProvider, upstream), (AnthropicProvider, anthropic)):
        address = fake.base_url.replace("://", "://user:secret@")
        async with aclosing(vendor(api_key=key, base_url=address)) as provider:
            await told(provider)

        assert fake.last.headers["Authorization"] == sent


async def test_a_key_in_a_header_of_its_own_goes_beside_credentials_in_the_address(google: FakeProvider) -> None:
    address = google.base_url.replace("://", "://user:secret@")
    async with aclosing(GeminiProvider(api_key=KEY, base_url=address)) as provider:
        await told(provider)

    assert (google.last.headers["Authorization"], google.last.headers["x-goog-api-key"]) == (BASIC, KEY)


async def test_an_answer_may_have_any_status_that_says_it_went_well(
    provider: OpenAIProvider, upstream: FakeOpenAI
) -> None:
    upstream.script(replace(answer("Hello"), status=201))

    assert await told(provider)


@pytest.mark.parametrize(
    ("vendor", "client"),
    [
        (OpenAIProvider, "openai.AsyncOpenAI"),
        (AnthropicProvider, "anthropic.AsyncAnthropic"),
        (GeminiProvider, "google.genai.Client"),
    ],
)
async def test_a_client_that_cannot_be_built_leaves_no_session_open(
    vendor: type[StreamedProvider[object]], client: str, opened: list[ClientSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_options: object) -> None:
        raise ValueError("not today")

    monkeypatch.setattr(client, fail)
    with pytest.raises(ValueError, match="not today"):
        await vendor(api_key=KEY, base_url=REMOTE).warm()

    assert [session.closed for session in opened] == [True]


async def test_who_does_not_wait_for_a_client_leaves_no_session_open(
    opened: list[ClientSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, over = threading.Event(), threading.Event()

    def build(**_options: object) -> None:
        begun.set()
        over.wait()

    monkeypatch.setattr("openai.AsyncOpenAI", build)
    warming = asyncio.create_task(OpenAIProvider(api_key=KEY).warm())
    await asyncio.to_thread(begun.wait)
    warming.cancel()
    with pytest.raises(asyncio.CancelledError):
        await warming
    over.set()

    assert [session.closed for session in opened] == [True]


@pytest.mark.parametrize(
    "vendor",
    [OpenAIProvider, AnthropicProvider, GeminiProvider, partial(OllamaProvider, context_tokens=4096)],
    ids=["openai", "anthropic", "gemini", "ollama"],
)
@pytest.mark.parametrize("content_type", ["application/json", "text/html"])
async def test_an_error_without_end_is_read_as_far_as_anyone_would_read_it(
    vendor: Callable[..., StreamedProvider[object]], content_type: str
) -> None:
    left = asyncio.Event()

    async def complain(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=400, headers={"Content-Type": content_type})
        await response.prepare(request)
        try:
            while True:
                await response.write(b"no " * 4096)
        except ConnectionError:
            left.set()
        return response

    app = web.Application()
    app.router.add_post("/{path:.*}", complain)
    async with (
        served(app) as address,
        aclosing(vendor(api_key=KEY, base_url=address)) as provider,
        asyncio.timeout(20),
    ):
        with pytest.raises(ProviderError, match="HTTP 400: no no no") as caught:
            await told(provider)
        await left.wait()

    assert caught.value.failure is ProviderFailure.BAD_REQUEST
