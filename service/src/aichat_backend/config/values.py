"""Kinds of values that settings have, described and checked beyond their types."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlsplit

from aichat_backend.config.secrets import Secret, one_word


def _as_it_is(value: Any) -> Any:
    return value


class Rule(NamedTuple):
    """What a kind of value is, beside its type."""

    allowed: str
    """What may be written, in words."""
    check: Callable[[Any], Any] = _as_it_is
    """Makes the setting of a value of the type, or raises ValueError with what is wrong."""


def is_loopback(host: str) -> bool:
    """Whether a host to listen on is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _http_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not value.isprintable() or " " in value:
        raise ValueError("is not such a URL")
    return value.rstrip("/")


def _bare_url(value: str) -> str:
    if {"@", "?", "#"} & set(value):
        # The user in it would be whoever calls.
        raise ValueError("is not such a URL")
    return _http_url(value)


def _database_url(value: str) -> str:
    if "://" not in value:
        raise ValueError("is not such a URL")
    return value


AnyText = Annotated[Secret, Rule("text")]
OneWord = Annotated[Secret, Rule("one word", one_word)]
HttpUrl = Annotated[str, Rule("a URL with a host that begins with http:// or https://", _http_url)]
BareUrl = Annotated[str, Rule("a URL of nothing but http:// or https://, a host and a path", _bare_url)]
DatabaseUrl = Annotated[
    str,
    Rule(
        "a URL such as sqlite:////srv/aichat-backend/chat.db or postgresql://user:password@host/database", _database_url
    ),
]
