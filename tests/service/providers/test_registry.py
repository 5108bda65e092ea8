"""Which provider the settings mean, with which key and address."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from aichat_backend.chat.parts import ChatMessage, Role, TextPart
from aichat_backend.config.loading import load_settings
from aichat_backend.config.providers import ProviderName
from aichat_backend.errors import ProviderError
from aichat_backend.providers.base import Capabilities, Finished, ModelRequest, Provider
from aichat_backend.providers.mock import MockProvider
from aichat_backend.providers.registry import build_provider
from fakes.asking import question, told
from fakes.fake_ollama import fake_ollama
from fakes.fake_openai import FakeOpenAI, fake_openai
from fakes.openai_wire import failure

LONG = (
    ChatMessage(Role.USER, (TextPart("word " * 8_000),), opens_turn=True),
    ChatMessage(Role.ASSISTANT, (TextPart("So."),)),
    ChatMessage(Role.USER, (TextPart("And now?"),), opens_turn=True),
)
"""For contexts of 100000 tokens, and not for those of 8192."""
NO_RETRY = {"x-should-retry": "false"}


def built(**environment: str) -> Provider:
    names = {name: value for name, value in environment.items() if name.endswith("_API_KEY") and name != "API_KEY"}
    ours = {f"AICHAT_{name}": value for name, value in environment.items() if name not in names}
    return build_provider(load_settings(names | ours, None).settings)


@pytest.fixture
async def openai() -> AsyncIterator[FakeOpenAI]:
    async with fake_openai() as fake:
        yield fake


@pytest.mark.parametrize("name", list(ProviderName))
def test_every_provider_can_be_chosen(name: ProviderName) -> None:
    provider = built(LLM_PROVIDER=name.value, API_KEY="sk-1")

    assert provider.name == name
    assert provider.capabilities.tools
    assert provider.problem() is None


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("openai", "AICHAT_API_KEY, AICHAT_API_KEY_FILE or OPENAI_API_KEY"),
        ("anthropic", "AICHAT_API_KEY, AICHAT_API_KEY_FILE or ANTHROPIC_API_KEY"),
        ("gemini", "AICHAT_API_KEY, AICHAT_API_KEY_FILE, GEMINI_API_KEY or GOOGLE_API_KEY"),
    ],
)
def test_a_missing_key_is_told_with_every_remedy(name: str, variables: str) -> None:
    assert built(LLM_PROVIDER=name).problem() == f"The {name} provider has no API key: set {variables}."


@pytest.mark.parametrize("name", ["ollama", "mock"])
def test_some_need_no_key(name: str) -> None:
    assert built(LLM_PROVIDER=name).problem() is None


def test_what_an_openai_takes_depends_on_whose_it_is() -> None:
    assert built().capabilities == Capabilities(request_bytes=50_000_000)
    assert built(LLM_BASE_URL="http://127.0.0.1:8000/v1").capabilities == Capabilities(pdfs=False)
    assert built(LLM_BASE_URL="https://eu.api.openai.com/v1").problem() is not None


@pytest.mark.parametrize(
    ("provider", "files", "picture"),
    [("openai", 34_500_000, None), ("anthropic", 21_000_000, 7_500_000), ("gemini", 12_000_000, None)],
)
def test_how_much_a_vendor_takes_is_known_before_base64(provider: str, files: int, picture: int | None) -> None:
    able = built(LLM_PROVIDER=provider).capabilities

    assert (able.file_room, able.picture_room) == (files, picture)


@pytest.mark.parametrize(
    ("settings", "context"),
    [({}, 8192), ({"LLM_CONTEXT_TOKENS": "32000"}, 32000)],
)
async def test_ollama_is_told_how_much_context_to_hold(settings: dict[str, str], context: int) -> None:
    async with fake_ollama() as fake:
        provider = built(LLM_PROVIDER="ollama", LLM_BASE_URL=fake.base_url, **settings)
        await told(provider)
        await provider.aclose()

    assert fake.last.body["options"]["num_ctx"] == context


async def test_the_chosen_provider_may_stand_in_for_itself_with_another_model(openai: FakeOpenAI) -> None:
    openai.script(failure(503, "Overloaded", headers=NO_RETRY), failure(503, "Overloaded", headers=NO_RETRY))
    provider = built(API_KEY="sk-1", LLM_BASE_URL=openai.base_url, LLM_FALLBACK="openai:gpt-4.1,mock:echo")

    *_, finished = await told(provider)
    await provider.aclose()

    assert isinstance(finished, Finished)
    assert finished.model == "echo"
    assert [exchange.body["model"] for exchange in openai.exchanges] == ["gpt-4o-mini", "gpt-4.1"]
    assert {exchange.headers["Authorization"] for exchange in openai.exchanges} == {"Bearer sk-1"}


async def test_another_provider_in_the_chain_gets_neither_the_address_nor_the_key(monkeypatch: Any) -> None:
    from aichat_backend.providers import ollama

    async with fake_ollama() as fake:
        monkeypatch.setattr(ollama.OllamaProvider, "_own_url", fake.base_url)
        provider = built(
            API_KEY="sk-1",
            LLM_BASE_URL="http://upstream.invalid/v1",
            LLM_FALLBACK="ollama:qwen3:8b",
            LLM_CONTEXT_TOKENS="",
        )
        await told(provider, ModelRequest(model="gpt-4o-mini", messages=LONG))
        await provider.aclose()

    assert fake.last.body["model"] == "qwen3:8b"
    assert fake.last.body["options"]["num_ctx"] == 8192
    assert len(fake.last.body["messages"]) == 1, "what was made for 100000 tokens is made to fit into these"
    assert "Authorization" not in fake.last.headers


async def test_a_link_without_a_key_is_passed_over() -> None:
    provider = built(LLM_FALLBACK="anthropic:m,mock:echo")

    assert provider.problem() is None
    assert isinstance((await told(provider))[-1], Finished)
    await provider.aclose()


async def test_all_without_keys_is_the_first_ones_problem() -> None:
    provider = built(LLM_FALLBACK="anthropic:m,gemini:m")

    assert "OPENAI_API_KEY" in (provider.problem() or "")
    with pytest.raises(ProviderError, match=r"not_configured: openai gpt-4o-mini: .*; anthropic m: .*; gemini m: "):
        await told(provider)
    await provider.aclose()


async def test_the_mock_pauses_as_long_as_it_is_told(monkeypatch: Any) -> None:
    provider = built(LLM_PROVIDER="mock", MOCK_DELAY_MS="250")
    pauses = []

    async def note(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("asyncio.sleep", note)
    assert isinstance(provider, MockProvider)
    await told(provider, question())
    assert set(pauses) == {0.25}
