"""API keys. The provider's: the setting itself, else the file that is named, else the provider's own variable.

A provider of the fallback chain that is not the configured one gets a key from its own variable alone: the key in our
settings belongs to one vendor, and is not shown to another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aichat_backend.config.problems import ConfigurationError, variable
from aichat_backend.config.providers import ProviderName
from aichat_backend.config.secret_files import read_secret_file
from aichat_backend.config.secrets import Secret, one_word
from aichat_backend.config.settings import Settings

KEY_VARIABLES: Mapping[ProviderName, tuple[str, ...]] = {
    ProviderName.OPENAI: ("OPENAI_API_KEY",),
    ProviderName.ANTHROPIC: ("ANTHROPIC_API_KEY",),
    ProviderName.GEMINI: ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    ProviderName.OLLAMA: ("OLLAMA_API_KEY",),
}
"""The provider's own names for its key: read, in this order, when none of ours is set."""

_KEYLESS = frozenset({ProviderName.OLLAMA, ProviderName.MOCK})
"""These can be asked without a key."""


@dataclass(frozen=True)
class FoundKey:
    """A key, where it was found, and what looked odd there."""

    key: Secret
    source: str
    warnings: tuple[str, ...] = ()


def find_key(settings: Settings, environment: Mapping[str, str]) -> FoundKey | None:
    """The key that is not in the setting `api_key`.

    Raises:
        ConfigurationError: the file cannot be read, or what was found is no key.
    """
    if settings.api_key_file is not None:
        return _read_key(settings.api_key_file)
    return find_own_key(settings.llm_provider, environment)


def find_own_key(provider: ProviderName, environment: Mapping[str, str]) -> FoundKey | None:
    """The key in one of the provider's own variables.

    Raises:
        ConfigurationError: what was found is no key.
    """
    for name in KEY_VARIABLES.get(provider, ()):
        if environment.get(name):
            return FoundKey(_checked(environment[name], name), name)
    return None


def find_fallback_keys(settings: Settings, environment: Mapping[str, str]) -> Mapping[ProviderName, FoundKey]:
    """The keys of the chain's providers other than the configured one, as far as there are any.

    Raises:
        ConfigurationError: what was found is no key.
    """
    found = {provider: find_own_key(provider, environment) for provider in other_providers(settings)}
    return {provider: key for provider, key in found.items() if key is not None}


def keyless_fallbacks(settings: Settings) -> Iterator[str]:
    """One line for each provider of the chain that cannot be asked."""
    for provider in other_providers(settings):
        if provider not in _KEYLESS and provider not in settings.fallback_keys:
            variables = " or ".join(KEY_VARIABLES[provider])
            yield f"{variable('llm_fallback')}: {provider} has no API key and will not be asked: set {variables}"


def other_providers(settings: Settings) -> Sequence[ProviderName]:
    """The providers of the chain besides the configured one, each once, in their order."""
    named = dict.fromkeys(link.provider for link in settings.fallbacks)
    return [provider for provider in named if provider is not settings.llm_provider]


def _read_key(file: Path) -> FoundKey:
    text, warnings = read_secret_file("api_key_file", file)
    return FoundKey(_checked(text.strip(), f"{variable('api_key_file')}: {file}"), str(file), warnings)


def _checked(text: str, where: str) -> Secret:
    try:
        return one_word(Secret(text))
    except ValueError as error:
        raise ConfigurationError([f"{where}: must hold one API key on one line, without blanks"]) from error
