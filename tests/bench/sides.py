"""The relays that are compared, and how each is asked for a stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import msgspec
from aiohttp import ClientResponse, ClientSession
from tests.bench.processes import Measured, free_port, running
from tests.bench.script import RELEASE_PATH, Script

Ask = Callable[[ClientSession, Script], AbstractAsyncContextManager[ClientResponse]]
"""Opens a response whose body is the stream of the scripted answer."""


@dataclass(frozen=True)
class Side:
    """One relay, running."""

    name: str
    process: Measured
    ask: Ask


@dataclass(frozen=True)
class Sides:
    """What is compared, and the upstream without anything in between."""

    direct: Ask
    passthrough: Side
    service: Side
    upstream_address: str

    async def release(self, http: ClientSession) -> None:
        """Let the upstream end its endless answers."""
        async with http.post(self.upstream_address + RELEASE_PATH) as response:
            response.raise_for_status()

    @property
    def relays(self) -> tuple[Side, Side]:
        """The two that are compared."""
        return self.passthrough, self.service


@asynccontextmanager
async def start_sides(folder: Path) -> AsyncIterator[Sides]:
    """Start the upstream and both relays, with their data and logs in the folder."""
    port, passthrough_port, service_port = free_port(), free_port(), free_port()
    address = f"http://127.0.0.1:{port}"
    environment = {
        "AICHAT_PORT": str(service_port),
        "AICHAT_DATA_DIR": str(folder),
        "AICHAT_LLM_PROVIDER": "openai",
        "AICHAT_LLM_BASE_URL": f"{address}/v1",
        "AICHAT_API_KEY": "sk-bench",
    }
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(
            running(["-m", "tests.bench.upstream", str(port)], port, folder / "upstream.log")
        )
        passthrough = await stack.enter_async_context(
            running(
                ["-m", "tests.bench.passthrough", str(passthrough_port), address],
                passthrough_port,
                folder / "passthrough.log",
            )
        )
        service = await stack.enter_async_context(
            running(["-m", "aichat_backend", "--env-only"], service_port, folder / "service.log", environment)
        )
        yield Sides(
            direct=_ask_openai(address),
            passthrough=Side("pass-through", passthrough, _ask_openai(f"http://127.0.0.1:{passthrough_port}")),
            service=Side("service", service, _ask_service(f"http://127.0.0.1:{service_port}")),
            upstream_address=address,
        )


def _ask_openai(address: str) -> Ask:
    def ask(http: ClientSession, script: Script) -> AbstractAsyncContextManager[ClientResponse]:
        messages = [{"role": "user", "content": msgspec.json.encode(script).decode()}]
        return http.post(f"{address}/v1/chat/completions", json={"messages": messages, "stream": True})

    return ask


def _ask_service(address: str) -> Ask:
    users = count(1)

    @asynccontextmanager
    async def ask(http: ClientSession, script: Script) -> AsyncIterator[ClientResponse]:
        """As PMM's page does: post the question, then follow the stream. Each question is another user's."""
        identity = {"X-User-ID": str(next(users))}
        question = {"message": msgspec.json.encode(script).decode()}
        async with http.post(f"{address}/v1/chat/send?streaming=true", json=question, headers=identity) as sent:
            sent.raise_for_status()
            where = (await sent.json())["stream_url"]
        async with http.get(address + where, headers=identity) as stream:
            yield stream

    return ask
