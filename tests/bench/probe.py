"""Asking for one token, with as little of our own in between as can be.

The service is asked twice for an answer, a pass-through once: a comfortable client would count as the service's time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tests.bench.script import MARK, Incomplete

_END_OF_HEAD = b"\r\n\r\n"
_END_OF_BODY = b"\r\n0\r\n\r\n"
_LENGTH = b"content-length: "


class Connection:
    """A connection to a server of HTTP/1.1, which is kept."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, request: bytes) -> bytes:
        """The body of the answer, which tells its length."""
        self._writer.write(request)
        head = (await self._good_head()).lower()
        length = head.partition(_LENGTH)[2].partition(b"\r\n")[0]
        return await self._reader.readexactly(int(length))

    async def ask_for_a_token(self, request: bytes) -> float:
        """The clock when the first token arrives; the rest of the answer, which is sent in chunks, is read as well."""
        self._writer.write(request)
        await self._good_head()
        await self._reader.readuntil(MARK.encode())
        arrived = time.perf_counter()
        await self._reader.readuntil(_END_OF_BODY)
        return arrived

    async def _good_head(self) -> bytes:
        head = await self._reader.readuntil(_END_OF_HEAD)
        status = head.split(b" ", 2)[1]
        if not status.startswith(b"2"):
            raise Incomplete(f"a probe is answered with {status.decode()}")
        return head


Probe = Callable[[Connection], Awaitable[float]]
"""Asks for an answer of one chunk; the clock when that arrives."""


async def first_token_seconds(connection: Connection, probe: Probe) -> float:
    """The time from asking to the first token."""
    asked = time.perf_counter()
    return await probe(connection) - asked


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    """A connection to a port of this machine."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


def request_of(method: str, path: str, body: bytes = b"", *headers: str) -> bytes:
    """A request as bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body
