"""Connections to a provider: every vendor's answers are read from the same kind of response."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.request import getproxies, proxy_bypass

from aiohttp import ClientResponse, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from yarl import URL

from aichat_backend.providers.certificates import tls

T = TypeVar("T")

_CONNECT_SECONDS = 10.0
_LONGEST_COMPLAINT = 65_536


async def open_session(address: str, **options: Any) -> ClientSession:
    """A session for one server, without limits of its own but for connecting: the answer's are measured elsewhere.

    It goes through the proxy that the environment names for the address (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`),
    unless that is on this machine.
    """
    trusted = await asyncio.to_thread(tls)
    return ClientSession(
        connector=TCPConnector(limit=0, ssl=trusted),
        timeout=ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
        cookie_jar=DummyCookieJar(),
        # With `trust_env` it would be asked for in a thread at each request, and a .netrc as well.
        proxy=_proxy_of(URL(address)),
        **options,
    )


def _proxy_of(address: URL) -> str | None:
    host = address.host or ""
    if _is_this_machine(host) or proxy_bypass(host):
        return None
    proxy = getproxies().get(address.scheme)
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def built_on(session: ClientSession, build: Callable[[ClientSession], T]) -> T:
    """What a thread builds on the session, which is closed when that fails or nobody waits for it."""
    try:
        return await asyncio.to_thread(build, session)
    except BaseException:
        await session.close()
        raise


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
