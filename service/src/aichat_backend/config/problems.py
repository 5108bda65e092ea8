"""How wrong settings are told: one line each, that names the setting, the problem and the remedy, and no secret."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from aichat_backend.config.allowed import allowed
from aichat_backend.config.kinds import KINDS
from aichat_backend.config.settings import PREFIX, is_url

_LONGEST_QUOTE = 60


class ConfigurationError(Exception):
    """Settings that the service cannot start with; each problem is one line that names the setting and the remedy."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


def variable(setting: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + setting.upper()


def sentence(setting: str, name: str, value: object, problem: str) -> str:
    """What is wrong with the value of a setting that is known to its writer as `name`."""
    shown = "the value" if KINDS[setting].is_secret or is_url(setting) else _quoted(value)
    return f"{name}: {shown} {problem}; allowed: {allowed(setting)}"


def closest_setting(name: str) -> str | None:
    """The setting that was probably meant by a name that is none."""
    # Without the prefix: all variables have it in common, and would look alike by it.
    bare = name.upper().removeprefix(PREFIX).lower()
    return next(iter(difflib.get_close_matches(bare, KINDS, n=1)), None)


def _quoted(value: object) -> str:
    text = repr(str(value))
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…"
