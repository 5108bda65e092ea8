"""URLs that may carry credentials: how they are shown, and what in them must not be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote

MASK = "********"

_TELLING = re.compile(r"pass|secret|token|key|credential", re.IGNORECASE)


def masked(url: str) -> str:
    """The URL without what may be secret in it: all before the last `@`, and the values after `?`."""
    shown = re.sub(r"(?<=://).*@", f"{MASK}@", url, flags=re.DOTALL)
    address, question_mark, _query = shown.partition("?")
    return f"{address}?{MASK}" if question_mark else address


def secrets_in(url: str) -> Iterator[str]:
    """The passwords in the URL, as they are written and as they are meant."""
    _scheme, _separator, rest = url.partition("://")
    credentials, at, _address = rest.rpartition("@")
    _user, _colon, password = credentials.partition(":")
    if at and password:
        yield password
        yield unquote(password)
    for name, value in parse_qsl(rest.partition("?")[2]):
        if value and _TELLING.search(name):
            yield value
