"""Which provider a setting means. A new vendor is one file and one function here.

A vendor's module is imported when it is chosen, its SDK when it is first warmed or asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from aichat_backend.config.providers import ProviderName
from aichat_backend.config.secrets import Secret
from aichat_backend.config.settings import Settings
from aichat_backend.providers.base import Provider
from aichat_backend.providers.fallback import FallbackProvider, Link
from aichat_backend.providers.limits import TimeLimits


class _Access(NamedTuple):
    """What belongs to one vendor alone."""

    key: Secret | None
    base_url: str | None = None

    @property
    def api_key(self) -> str | None:
        return self.key.reveal() if self.key else None


def build_provider(settings: Settings) -> Provider:
    """The provider that the settings choose, with those that stand in for it. No SDK is imported yet.

    The address in the settings is the chosen provider's; another one in the chain is asked at its own address, with
    its own key. The chosen one may be in the chain again, with another model.
    """
    first = _FACTORIES[settings.llm_provider](settings, _Access(settings.api_key, settings.llm_base_url))
    if not settings.fallbacks:
        return first
    built = {settings.llm_provider: first}
    for provider, _model in settings.fallbacks:
        if provider not in built:
            built[provider] = _FACTORIES[provider](settings, _Access(settings.fallback_keys.get(provider)))
    return FallbackProvider(
        first,
        [Link(built[provider], model, settings.context_tokens_of(provider)) for provider, model in settings.fallbacks],
    )


def _limits(settings: Settings) -> TimeLimits:
    return TimeLimits(
        first_byte=settings.llm_first_byte_timeout,
        idle=settings.llm_idle_timeout,
        total=settings.llm_total_timeout,
    )


def _openai(settings: Settings, access: _Access) -> Provider:
    from aichat_backend.providers.openai import OpenAIProvider

    return OpenAIProvider(api_key=access.api_key, base_url=access.base_url, limits=_limits(settings))


def _anthropic(settings: Settings, access: _Access) -> Provider:
    from aichat_backend.providers.anthropic import AnthropicProvider

    return AnthropicProvider(api_key=access.api_key, base_url=access.base_url, limits=_limits(settings))


def _gemini(settings: Settings, access: _Access) -> Provider:
    from aichat_backend.providers.gemini import GeminiProvider

    return GeminiProvider(api_key=access.api_key, base_url=access.base_url, limits=_limits(settings))


def _ollama(settings: Settings, access: _Access) -> Provider:
    from aichat_backend.providers.ollama import OllamaProvider

    return OllamaProvider(
        api_key=access.api_key,
        base_url=access.base_url,
        limits=_limits(settings),
        # Not the chosen provider's budget: this much memory is taken on the machine that runs the model.
        context_tokens=settings.context_tokens_of(ProviderName.OLLAMA),
    )


def _mock(settings: Settings, _access: _Access) -> Provider:
    from aichat_backend.providers.mock import MockProvider

    return MockProvider(delay=settings.mock_delay_ms / 1000)


_FACTORIES: Mapping[ProviderName, Callable[[Settings, _Access], Provider]] = {
    ProviderName.OPENAI: _openai,
    ProviderName.ANTHROPIC: _anthropic,
    ProviderName.GEMINI: _gemini,
    ProviderName.OLLAMA: _ollama,
    ProviderName.MOCK: _mock,
}
