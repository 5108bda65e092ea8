"""A fake model provider with OpenAI's wire, as a process of its own: `python -m tests.bench.upstream PORT`."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import msgspec
from aiohttp import web
from tests.bench.processes import serve_until_terminated
from tests.bench.script import MARK, RELEASE_PATH, Script
from tests.service.fakes.openai_wire import DONE, chunk, text, usage

_HEAD = chunk({"role": "assistant", "content": "", "refusal": None})
_CHUNK = text(f"{MARK}word ")
_TAIL = chunk(finish="stop") + usage(20, 20) + DONE


class Upstream:
    """Sends what each question asks for."""

    def __init__(self) -> None:
        self._released = asyncio.Event()

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """Answer the last message of the conversation."""
        body = await request.json()
        script = msgspec.json.decode(body["messages"][-1]["content"], type=Script)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(_HEAD)
        if script.chunks is None:
            await self._send_until_released(response, script)
        else:
            await _send(response, script.chunks, script.together)
        await response.write(_TAIL)
        return response

    async def release(self, _request: web.Request) -> web.Response:
        """End all endless answers."""
        self._released.set()
        self._released = asyncio.Event()
        return web.Response()

    async def _send_until_released(self, response: web.StreamResponse, script: Script) -> None:
        released = self._released
        while not released.is_set():
            await response.write(_CHUNK * script.together)
            with suppress(TimeoutError):
                async with asyncio.timeout(script.pause):
                    await released.wait()


async def _send(response: web.StreamResponse, chunks: int, together: int) -> None:
    while chunks > 0:
        await response.write(_CHUNK * min(chunks, together))
        chunks -= together


if __name__ == "__main__":
    upstream = Upstream()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", upstream.complete)
    app.router.add_post(RELEASE_PATH, upstream.release)
    serve_until_terminated(app)
