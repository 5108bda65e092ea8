"""Settings from what is written: each value is read as its kind, and all that is wrong is told at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from msgspec import convert

from aichat_backend.config.kinds import KINDS
from aichat_backend.config.settings import PREFIX, Options, Settings
from aichat_backend.config.values import is_loopback

_DEFAULTS = Options()

_SWITCH = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0"), False),
}


class WrongValues(Exception):
    """Values that settings cannot have."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = problems
        """Setting → what is wrong with its value, as in "is not allowed"."""
        super().__init__(str(problems))


def read_settings(written: Mapping[str, object]) -> Settings:
    """The settings of these values, which come from variables as text or from YAML with types.

    Raises:
        WrongValues: what some of them are, or what they are together, cannot be.
    """
    right: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for setting, value in written.items():
        try:
            right[setting] = read_value(setting, value)
        except ValueError as error:
            wrong[setting] = str(error)
    settings = Settings(**right)
    wrong |= dict(_contradictions(settings))
    if wrong:
        raise WrongValues({setting: wrong[setting] for setting in KINDS if setting in wrong})
    return settings


def read_value(setting: str, written: object) -> Any:
    """One setting's value.

    Raises:
        ValueError: it cannot be that; the text is what is wrong with it.
    """
    kind = KINDS[setting]
    try:
        value = convert(_meant(written, kind.base), kind.type, strict=False, dec_hook=_from_text)
    except ValueError as error:
        raise ValueError("is not allowed") from error
    return kind.rule.check(value) if kind.rule else value


def _meant(written: object, base: Any) -> object:
    """What a text stands for where the setting is none, and what YAML 1.1 makes of a bare `off`."""
    match written:
        case str() if base is bool:
            return _SWITCH.get(written.lower(), written)
        case str() if base in (int, float):
            return base(written)
        case False if "off" in get_args(base):
            return "off"
        case _:
            return written


def _from_text(custom: type, written: object) -> object:
    """A value of one of the types that msgspec does not know: a path or a secret."""
    if not isinstance(written, str):
        raise TypeError("is not text")
    return custom(written)


_BESIDE_HOST = ("db_name", "db_user", "db_password", "db_password_file", "db_sslrootcert")


def _contradictions(options: Options) -> Iterator[tuple[str, str]]:
    """Settings that cannot be so beside the others, and why."""
    if not is_loopback(options.host) and options.proxy_secret is None:
        yield (
            "host",
            "is reachable from other machines, where identity headers could be forged: listen on 127.0.0.1, "
            f"or set {PREFIX}PROXY_SECRET and let the proxy send it as X-AIChat-Proxy-Secret",
        )
    if options.db_host is None and options.database_url is None:
        for setting in _BESIDE_HOST:
            if getattr(options, setting) != getattr(_DEFAULTS, setting):
                yield setting, f"means nothing without {PREFIX}DB_HOST: set that too"
    if "?" in str(options.data_dir):
        yield "data_dir", "must not contain a question mark: the URL of the database in it could not be written"
