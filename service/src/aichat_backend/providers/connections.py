"""Connections to a provider: every vendor's answers are read from the same kind of response."""

from __future__ import annotations

from typing import Any
from urllib.request import getproxies, proxy_bypass

from aiohttp import ClientResponse, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from yarl import URL

CONNECT_SECONDS = 10.0

_LONGEST_COMPLAINT = 65_536


def open_session(address: str, **options: Any) -> ClientSession:
    """A session for one server, without limits of its own but for connecting: the answer's are measured elsewhere.

    It goes through the proxy that the environment names for the address (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`).
    """
    return ClientSession(
        connector=TCPConnector(limit=0),
        timeout=ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        cookie_jar=DummyCookieJar(),
        # It is asked in a thread for each request, which takes as long as the request itself.
        trust_env=_has_proxy(URL(address)),
        **options,
    )


def _has_proxy(address: URL) -> bool:
    return address.scheme in getproxies() and not proxy_bypass(address.host or "")


async def read_complaint_body(response: ClientResponse) -> bytes:
    """As much of an error answer as anyone would read; the connection is free then."""
    read = bytearray()
    try:
        async for piece in response.content.iter_any():
            read += piece
            if len(read) > _LONGEST_COMPLAINT:
                break
    finally:
        response.close()
    return bytes(read[:_LONGEST_COMPLAINT])
