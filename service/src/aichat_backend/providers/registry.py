"""Which provider a setting means. A new vendor is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aichat_backend.config.settings import ProviderName, Settings
from aichat_backend.providers.base import Provider
from aichat_backend.providers.limits import TimeLimits
from aichat_backend.providers.mock import MockProvider
from aichat_backend.providers.openai import OpenAIProvider


def build_provider(settings: Settings) -> Provider:
    """The provider that the settings choose. No SDK is imported yet."""
    return _FACTORIES[settings.llm_provider](settings)


def _openai(settings: Settings) -> Provider:
    return OpenAIProvider(
        api_key=settings.api_key.get_secret_value() if settings.api_key else None,
        base_url=settings.llm_base_url,
        limits=TimeLimits(
            first_byte=settings.llm_first_byte_timeout,
            idle=settings.llm_idle_timeout,
            total=settings.llm_total_timeout,
        ),
    )


def _mock(settings: Settings) -> Provider:
    return MockProvider(delay=settings.mock_delay_ms / 1000)


_FACTORIES: Mapping[ProviderName, Callable[[Settings], Provider]] = {
    ProviderName.OPENAI: _openai,
    ProviderName.MOCK: _mock,
}
