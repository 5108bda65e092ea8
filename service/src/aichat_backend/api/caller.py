"""`/caller`: nginx asks who calls, on servers whose PMM does not tell it."""

from __future__ import annotations

from aiohttp import web

from aichat_backend.api.endpoints import Content, endpoint
from aichat_backend.api.identity import USER_HEADER, public, require_proxy
from aichat_backend.errors import Unauthenticated
from aichat_backend.login.credentials import Credentials
from aichat_backend.login.known_callers import Identify

_ONLY = Content(headers={USER_HEADER: "The id of whom the caller's cookie, password or token belongs to."})


class CallerResource:
    """For the proxy alone: it asks before each request, with the caller's own headers."""

    def __init__(self, identify: Identify, proxy_secret: str | None) -> None:
        self._identify = identify
        self._proxy_secret = proxy_secret

    @endpoint("GET", "/caller", {204: _ONLY}, errors=(401, 403, 404, 503))
    @public
    async def identify(self, request: web.Request) -> web.Response:
        """Who calls, as PMM's login knows: the answer to nginx's `auth_request`."""
        require_proxy(request, self._proxy_secret)
        user_id = await self._identify(_credentials_of(request))
        return web.Response(status=204, headers={USER_HEADER: user_id, "Cache-Control": "no-store"})


def _credentials_of(request: web.Request) -> Credentials:
    authorizations = request.headers.getall("Authorization", [])
    # HTTP/2 allows cookies in several headers; they mean the same as one.
    credentials = Credentials("; ".join(request.headers.getall("Cookie", [])), "".join(authorizations))
    if len(authorizations) > 1 or not all(_is_text(value) for value in credentials):
        raise Unauthenticated("Authentication required: the login cannot be read")
    return credentials


def _is_text(value: str) -> bool:
    try:
        # A header's bytes that are not UTF-8 arrive as surrogates.
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
