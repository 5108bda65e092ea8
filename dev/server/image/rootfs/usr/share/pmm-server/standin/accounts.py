"""Whom Grafana knows on this server: people with their passwords and sessions, and a service account with its token."""

import base64
import binascii
import hmac
import secrets
from dataclasses import dataclass
from email.message import Message
from http.cookies import CookieError, SimpleCookie

SESSION_COOKIE = "pmm_session"


@dataclass(frozen=True)
class Account:
    """Somebody known to Grafana."""

    id: int
    login: str
    password: str
    """Of a service account: its token."""
    role: str
    is_grafana_admin: bool = False


PEOPLE = {
    person.login: person
    for person in (
        Account(id=11, login="alice", password="alice-password", role="Admin", is_grafana_admin=True),
        Account(id=12, login="bob", password="bob-password", role="Viewer"),
        Account(id=13, login="carol", password="carol-password", role="None"),
    )
}
ROBOT = Account(id=21, login="sa-1-robot", password="glsa_robot", role="Editor")

_sessions: dict[str, Account] = {}


def log_in(login: str, password: str) -> Account | None:
    """Return the person whose password this is."""
    person = PEOPLE.get(login)
    if person and hmac.compare_digest(person.password.encode(), password.encode()):
        return person
    return None


def open_session(person: Account) -> str:
    """Return a new session's token, which goes into the cookie."""
    token = secrets.token_hex(16)
    _sessions[token] = person
    return token


def close_session(headers: Message) -> None:
    """Forget the session that the cookie names."""
    _sessions.pop(_session_in(headers), None)


def who_asks(headers: Message) -> Account | None:
    """Return whom basic authentication, a token or the session cookie names."""
    authorization = headers.get("Authorization", "")
    if authorization == f"Bearer {ROBOT.password}":
        return ROBOT
    return _by_password(authorization) or _sessions.get(_session_in(headers))


def _by_password(authorization: str) -> Account | None:
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        login, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return log_in(login, password)


def _session_in(headers: Message) -> str:
    try:
        morsel = SimpleCookie(headers.get("Cookie", "")).get(SESSION_COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
