"""Whom connections to providers trust, and when that is read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from aichat_backend.errors import ProviderError
from aichat_backend.providers.anthropic import AnthropicProvider
from aichat_backend.providers.certificates import tls
from aichat_backend.providers.gemini import GeminiProvider
from aichat_backend.providers.ollama import OllamaProvider
from aichat_backend.providers.openai import OpenAIProvider
from aichat_backend.providers.streamed import StreamedProvider
from fakes.asking import KEY, told
from fakes.authority import Authority, new_authority
from fakes.fake_openai import fake_openai
from fakes.fake_provider import FakeProvider, running
from fakes.openai_wire import failure
from fakes.processes import STARTS_PROCESSES
from fakes.program import Service


@pytest.fixture(autouse=True)
def unread() -> Iterator[None]:
    """Neither what an earlier test trusted, nor what this one does for a later one."""
    tls.cache_clear()
    yield
    tls.cache_clear()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return new_authority(tmp_path)


def vendors() -> list[type[StreamedProvider[object]]]:
    return [OpenAIProvider, AnthropicProvider, GeminiProvider, OllamaProvider]


def provider_at(vendor: type[StreamedProvider[object]], address: str) -> StreamedProvider[object]:
    more = {"context_tokens": 8192} if vendor is OllamaProvider else {}
    return vendor(api_key=KEY, base_url=address, **more)


@pytest.mark.thorough
@pytest.mark.parametrize("vendor", vendors())
async def test_a_server_is_asked_when_the_file_that_the_environment_names_vouches_for_it(
    vendor: type[StreamedProvider[object]], authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    refusing = FakeProvider(failure(400))
    async with running(refusing, authority.server), aclosing(provider_at(vendor, refusing.base_url)) as provider:
        with pytest.raises(ProviderError, match="400"):
            await told(provider)
    assert refusing.exchanges


@pytest.mark.thorough
@pytest.mark.parametrize("vendor", vendors())
async def test_a_server_that_nobody_vouches_for_is_not_asked(
    vendor: type[StreamedProvider[object]], authority: Authority
) -> None:
    unknown = FakeProvider(failure(400))
    async with running(unknown, authority.server), aclosing(provider_at(vendor, unknown.base_url)) as provider:
        with pytest.raises(ProviderError, match=r"(?i)certificate"):
            await told(provider)
    assert not unknown.exchanges


@STARTS_PROCESSES
async def test_a_service_trusts_what_its_environment_names(authority: Authority, tmp_path: Path) -> None:
    async with fake_openai(authority.server) as upstream:
        environment = {
            "AICHAT_LLM_PROVIDER": "openai",
            "AICHAT_LLM_BASE_URL": upstream.base_url,
            "SSL_CERT_FILE": str(authority.certificate),
        }

        def ask() -> int:
            with Service(tmp_path, **environment) as service:
                return service.ask("hello").status

        assert await asyncio.to_thread(ask) == 200
    assert upstream.exchanges
