"""Answers that a browser saves under a name instead of showing them."""

from __future__ import annotations

import re
from urllib.parse import quote

from aiohttp import web

_PLAIN = re.compile(r"[^A-Za-z0-9!#$&+.^_`|~ -]")
_HEADERS = {
    # Whatever is in it, it stays data: no guessing of types, no scripts, nobody's cache but the browser's.
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cache-Control": "private, no-cache",
}


def download(data: bytes, *, filename: str, media_type: str, etag: str | None = None) -> web.Response:
    """The data, to be saved under that name."""
    response = web.Response(body=data, headers=_headers(filename, media_type))
    if etag is not None:
        response.headers["ETag"] = etag
    return response


def streamed_download(*, filename: str, media_type: str) -> web.StreamResponse:
    """What is to be saved under that name, and written piece by piece."""
    return web.StreamResponse(headers=_headers(filename, media_type))


def _headers(filename: str, media_type: str) -> dict[str, str]:
    return {**_HEADERS, "Content-Type": media_type, "Content-Disposition": disposition(filename)}


def disposition(filename: str) -> str:
    """RFC 6266: the name in ASCII for old clients, and whole for the others."""
    return f"attachment; filename=\"{_PLAIN.sub('_', filename)}\"; filename*=UTF-8''{quote(filename, safe='')}"
