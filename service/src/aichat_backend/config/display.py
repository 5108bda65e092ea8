"""Settings as text for people, secrets masked."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import SecretStr

from aichat_backend.config.loading import LoadedSettings, variable
from aichat_backend.config.settings import Settings

MASK = "********"


def lines(loaded: LoadedSettings) -> Iterator[str]:
    """One line a setting: variable, value, and where the value is from."""
    width = max(len(variable(setting)) for setting in Settings.model_fields)
    for setting in Settings.model_fields:
        source = loaded.sources.get(setting, "default")
        yield f"{variable(setting):<{width}}  {_shown(getattr(loaded.settings, setting))}  ({source})"


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, SecretStr):
        return MASK
    return re.sub(r"(?<=://)[^/@]*@", f"{MASK}@", str(value))
