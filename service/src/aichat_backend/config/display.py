"""Settings as text for people, secrets masked."""

from __future__ import annotations

from collections.abc import Iterator

from aichat_backend.config.api_key import KEY_VARIABLES, other_providers
from aichat_backend.config.kinds import KINDS
from aichat_backend.config.loading import LoadedSettings
from aichat_backend.config.problems import variable
from aichat_backend.config.secrets import Secret
from aichat_backend.config.settings import is_url
from aichat_backend.config.urls import MASK, masked


def lines(loaded: LoadedSettings) -> Iterator[str]:
    """One line a setting: variable, value, and where the value is from; then the keys of the fallback chain."""
    width = max(len(variable(setting)) for setting in KINDS)
    for setting in KINDS:
        source = loaded.sources.get(setting, "default")
        yield f"{variable(setting):<{width}}  {_shown(setting, getattr(loaded.settings, setting))}  ({source})"
    for provider in other_providers(loaded.settings):
        key = loaded.settings.fallback_keys.get(provider)
        for name in KEY_VARIABLES.get(provider, ()):
            here = loaded.fallback_key_sources.get(provider) == name
            yield f"{name:<{width}}  {_shown(name, key if here else None)}  (for the fallback)"


def _shown(setting: str, value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, bool):
        return str(value).lower()
    text = masked(str(value)) if is_url(setting) else str(value)
    return text if text.isprintable() else repr(text)
