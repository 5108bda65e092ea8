"""The model providers that settings can name: their names, their defaults, and chains of them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, NamedTuple

from aichat_backend.config.values import Rule


class ProviderName(StrEnum):
    """The model providers that can be chosen."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    OLLAMA = "ollama"
    MOCK = "mock"

    @classmethod
    def _missing_(cls, value: object) -> ProviderName | None:
        return PROVIDER_ALIASES.get(value) if isinstance(value, str) else None


PROVIDER_ALIASES: Mapping[str, ProviderName] = {"claude": ProviderName.ANTHROPIC, "google": ProviderName.GEMINI}
"""Other names that are understood."""

DEFAULT_MODELS: Mapping[ProviderName, str] = {
    ProviderName.OPENAI: "gpt-4o-mini",
    ProviderName.ANTHROPIC: "claude-sonnet-5-5",
    ProviderName.GEMINI: "gemini-3.8-flash",
    ProviderName.OLLAMA: "qwen3",
    ProviderName.MOCK: "mock",
}
"""The model that is asked when none is chosen."""

CONTEXT_TOKENS: Mapping[ProviderName, int] = {ProviderName.OLLAMA: 8_192}
"""How much a question to a model may have when the setting does not say: what most machines can hold."""


class Fallback(NamedTuple):
    """A provider to ask when the one before cannot be reached, and its model."""

    provider: ProviderName
    model: str


def _provider_names() -> str:
    aliases = {provider: f" (or {alias})" for alias, provider in PROVIDER_ALIASES.items()}
    return ", ".join(f"{provider}{aliases.get(provider, '')}" for provider in ProviderName)


def parse_fallback(chain: str) -> tuple[Fallback, ...]:
    """`anthropic:claude-sonnet-5-5,ollama:qwen3` as its links; a model's name may have colons of its own.

    Raises:
        ValueError: a provider is unknown, or a model is missing.
    """
    return tuple(_link(link) for link in chain.split(","))


def _link(text: str) -> Fallback:
    name, _colon, model = text.strip().partition(":")
    provider = _named(name)
    if provider is None or not model.strip():
        raise ValueError("is not such a list")
    return Fallback(provider, model.strip())


def _named(name: str) -> ProviderName | None:
    try:
        return ProviderName(name)
    except ValueError:
        return None


def _fallback_chain(value: str) -> str:
    parse_fallback(value)
    return value


ChosenProvider = Annotated[ProviderName, Rule(_provider_names())]
FallbackChain = Annotated[
    str, Rule("a list of provider:model, such as anthropic:claude-sonnet-5-5,ollama:qwen3", _fallback_chain)
]
