"""Who calls: the user id that the proxy took from PMM's login."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from aichat_backend.errors import Forbidden, NotFound, Unauthenticated

USER_HEADER = "X-User-ID"
PROXY_SECRET_HEADER = "X-AIChat-Proxy-Secret"  # noqa: S105 - the header's name

_USER_ID = re.compile(r"[1-9][0-9]{0,18}")
_user_key = web.RequestKey("user_id", str)
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_PROXY_TRACES = ("Forwarded", "X-Forwarded-For", "X-Real-IP")

H = TypeVar("H", bound=Callable[..., Any])


def public(handler: H) -> H:
    """Mark a handler that answers without a login."""
    handler.public = True  # type: ignore[attr-defined]
    return handler


def is_public(handler: object) -> bool:
    """Whether it answers without a login."""
    return getattr(handler, "public", False)


def user_of(request: web.Request) -> str:
    """The id of the caller."""
    return request[_user_key]


def require_local(request: web.Request) -> None:
    """Answer only those on this machine, and not through the proxy.

    Raises:
        NotFound: for everyone else.
    """
    proxied = any(header in request.headers for header in _PROXY_TRACES)
    if proxied or (request.remote is not None and not ip_address(request.remote).is_loopback):
        raise NotFound("Not found")


def require_proxy(request: web.Request, secret: str | None) -> None:
    """Answer only the proxy itself: it is on this machine, or knows the secret.

    Raises:
        NotFound: for everyone else, where there is no secret.
        Forbidden: without the secret.
    """
    if secret is None:
        require_local(request)
    else:
        _check_proxy(request, secret)


def refuse_other_sites(request: web.Request) -> None:
    """A page of another site can make a browser send what needs no preflight: a form, or a POST without a body.

    The user's cookies may go with it, and nothing must be asked or changed in their name. Browsers name the relation of
    the two sites over HTTPS, and without it the page's origin alone. Programs send neither.

    Raises:
        Forbidden: the browser says that the request comes from another site.
    """
    relation, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if relation is not None:
        is_ours = relation in ("none", "same-origin")
    else:
        is_ours = origin is None or origin.partition("://")[2] == request.host
    if not is_ours:
        raise Forbidden("This request comes from another site.", code="cross_site")


def identity_middleware(proxy_secret: str | None) -> Middleware:
    """Let only identified callers through to what is not public, before any body is read."""

    @web.middleware
    async def identify(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not is_public(request.match_info.handler):
            if proxy_secret is not None:
                _check_proxy(request, proxy_secret)
            request[_user_key] = _identity(request)
            if request.method not in _SAFE_METHODS:
                refuse_other_sites(request)
        return await handler(request)

    return identify


def _identity(request: web.Request) -> str:
    values = request.headers.getall(USER_HEADER, [])
    if len(values) != 1 or not _USER_ID.fullmatch(values[0]):
        raise Unauthenticated("Authentication required: missing or invalid user ID")
    return values[0]


def _check_proxy(request: web.Request, secret: str) -> None:
    given = request.headers.get(PROXY_SECRET_HEADER, "")
    # A header's bytes that are not UTF-8 arrive as surrogates.
    if not hmac.compare_digest(given.encode(errors="surrogateescape"), secret.encode()):
        raise Forbidden("Requests must come through PMM's proxy.")
