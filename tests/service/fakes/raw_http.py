"""Requests that no well-behaved client would send, byte by byte."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from multidict import CIMultiDict

from fakes.backend import Answer, Backend
from fakes.scripted import PATIENCE_SECONDS


class Connection:
    """A connection to the service."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, data: bytes) -> None:
        """Send these bytes, and no more."""
        self._writer.write(data)

    async def answer(self) -> Answer:
        """The next response that is not just "100 Continue"; its body must have a Content-Length."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (status := (await self._head())[0]) == 100:
                pass
            headers = self._headers
            return Answer(status, headers, await self._reader.readexactly(int(headers["Content-Length"])))

    async def _head(self) -> tuple[int, CIMultiDict[str]]:
        first, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        self._headers = CIMultiDict((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
        return int(first.split()[1]), self._headers


@asynccontextmanager
async def connected(backend: Backend, *, receive_buffer: int | None = None) -> AsyncIterator[Connection]:
    """A fresh connection; with a small buffer it takes little that is not read."""
    end = socket.socket()
    end.setblocking(False)
    if receive_buffer is not None:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    await asyncio.get_running_loop().sock_connect(end, (backend.client.host, backend.client.port))
    reader, writer = await asyncio.open_connection(sock=end, limit=receive_buffer or 2**16)
    try:
        yield Connection(reader, writer)
    finally:
        writer.transport.abort()


async def exchange(backend: Backend, request: bytes) -> Answer:
    """Send these bytes, nothing after them, and give what comes back."""
    async with connected(backend) as connection:
        connection.send(request)
        return await connection.answer()
