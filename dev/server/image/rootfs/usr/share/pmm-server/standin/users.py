"""The two people of this server, their passwords, roles and sessions."""

import base64
import binascii
import hmac
import secrets
from dataclasses import dataclass
from email.message import Message
from enum import IntEnum
from http.cookies import CookieError, SimpleCookie

SESSION_COOKIE = "pmm_session"
FILTER = "WyJlbnZpcm9ubWVudD1kZW1vIl0="  # what PMM makes of a limit to some labels: base64 of a JSON list


class Role(IntEnum):
    """Grafana's roles; a greater one may do all that a lesser one may."""

    NONE = 0
    VIEWER = 1
    EDITOR = 2
    ADMIN = 3


@dataclass(frozen=True)
class User:
    """A person known to Grafana; `proxy_filter` limits the metrics that PMM shows to them."""

    id: int
    login: str
    password: str
    role: Role
    proxy_filter: str = ""


USERS = {
    user.login: user
    for user in (
        User(id=11, login="alice", password="alice-password", role=Role.ADMIN),
        User(id=12, login="bob", password="bob-password", role=Role.VIEWER, proxy_filter=FILTER),
    )
}

_sessions: dict[str, User] = {}


def log_in(login: str, password: str) -> User | None:
    """Return the user whose password this is."""
    user = USERS.get(login)
    if user and hmac.compare_digest(user.password.encode(), password.encode()):
        return user
    return None


def open_session(user: User) -> str:
    """Return a new session's token, which goes into the cookie."""
    token = secrets.token_hex(16)
    _sessions[token] = user
    return token


def who_asks(headers: Message) -> User | None:
    """Return the user whom basic authentication or the session cookie names."""
    return _by_password(headers.get("Authorization", "")) or _by_session(headers.get("Cookie", ""))


def _by_password(authorization: str) -> User | None:
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        login, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return log_in(login, password)


def _by_session(cookie: str) -> User | None:
    try:
        morsel = SimpleCookie(cookie).get(SESSION_COOKIE)
    except CookieError:
        return None
    return _sessions.get(morsel.value) if morsel else None
