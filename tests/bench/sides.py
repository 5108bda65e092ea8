"""The relays that are compared, and how each is asked for a stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import msgspec
from aiohttp import ClientResponse, ClientSession
from tests.bench.probe import Connection, Probe, request_of
from tests.bench.processes import Measured, free_port, running
from tests.bench.script import ONE_CHUNK, RELEASE_PATH, Script
from tests.bench.wires import Wire

from aichat_backend.api.identity import USER_HEADER

_SEND = "/v1/chat/send?streaming=true"
_JSON = {"Content-Type": "application/json"}

Ask = Callable[[ClientSession, Script], AbstractAsyncContextManager[ClientResponse]]
"""Opens a response whose body is the stream of the scripted answer."""


@dataclass(frozen=True)
class Place:
    """Somewhere that can be asked."""

    port: int
    ask: Ask
    probe: Probe


@dataclass(frozen=True)
class Side(Place):
    """One relay, running."""

    process: Measured


@dataclass(frozen=True)
class Sides:
    """What is compared, and the upstream without anything in between."""

    direct: Place
    passthrough: Side
    service: Side


class Stage:
    """The upstream, and the relays that are started in front of it, with their data and logs in a folder."""

    def __init__(self, port: int, folder: Path) -> None:
        self._port = port
        self._address = _address(port)
        self._folder = folder

    def on_new_data(self, name: str) -> Stage:
        """The same upstream for relays with a folder of their own, in which there is nothing yet."""
        folder = self._folder / name
        folder.mkdir()
        return Stage(self._port, folder)

    async def release(self, http: ClientSession) -> None:
        """Let the upstream end its endless answers."""
        async with http.post(self._address + RELEASE_PATH) as response:
            response.raise_for_status()

    @asynccontextmanager
    async def sides(self, wire: Wire) -> AsyncIterator[Sides]:
        """Both relays, fresh."""
        async with AsyncExitStack() as stack:
            passthrough = await stack.enter_async_context(self._passthrough(wire))
            service = await stack.enter_async_context(self._service(wire))
            direct = Place(self._port, _ask_wire(wire, self._port), _probe_wire(wire))
            yield Sides(direct, passthrough, service)

    @asynccontextmanager
    async def _passthrough(self, wire: Wire) -> AsyncIterator[Side]:
        port = free_port()
        command = ["-m", "tests.bench.passthrough", str(port), self._address]
        async with running(command, port, self._folder / "passthrough.log") as process:
            yield Side(port, _ask_wire(wire, port), _probe_wire(wire), process)

    @asynccontextmanager
    async def _service(self, wire: Wire) -> AsyncIterator[Side]:
        port = free_port()
        environment = {
            "AICHAT_PORT": str(port),
            "AICHAT_DATA_DIR": str(self._folder),
            "AICHAT_LLM_PROVIDER": wire.name,
            "AICHAT_LLM_BASE_URL": self._address + wire.base_path,
            "AICHAT_API_KEY": "sk-bench",
            # Each question here is a session of its own: to name them all would be a second answer for each.
            "AICHAT_AUTO_TITLES": "false",
        }
        log = self._folder / f"{wire.name}.log"
        async with running(["-m", "aichat_backend", "--env-only"], port, log, environment) as process:
            users = map(str, count(1))
            yield Side(port, _ask_service(port, users), _probe_service(users), process)


@asynccontextmanager
async def open_stage(folder: Path) -> AsyncIterator[Stage]:
    """Start the upstream."""
    port = free_port()
    async with running(["-m", "tests.bench.upstream", str(port)], port, folder / "upstream.log"):
        yield Stage(port, folder)


def _address(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _ask_wire(wire: Wire, port: int) -> Ask:
    address = _address(port)

    def ask(http: ClientSession, script: Script) -> AbstractAsyncContextManager[ClientResponse]:
        return http.post(address + wire.path, data=wire.ask(script), headers=_JSON)

    return ask


def _probe_wire(wire: Wire) -> Probe:
    request = request_of("POST", wire.path, wire.ask(ONE_CHUNK))

    async def probe(connection: Connection) -> float:
        return await connection.ask_for_a_token(request)

    return probe


def _ask_service(port: int, users: Iterator[str]) -> Ask:
    address = _address(port)

    @asynccontextmanager
    async def ask(http: ClientSession, script: Script) -> AsyncIterator[ClientResponse]:
        """As PMM's page does: post the question, then follow the stream. Each question is another user's."""
        identity = {USER_HEADER: next(users)}
        async with http.post(f"{address}{_SEND}", data=_question(script), headers=_JSON | identity) as sent:
            sent.raise_for_status()
            where = (await sent.json())["stream_url"]
        async with http.get(address + where, headers=identity) as stream:
            yield stream

    return ask


def _probe_service(users: Iterator[str]) -> Probe:
    question = _question(ONE_CHUNK)

    async def probe(connection: Connection) -> float:
        """The same on one connection."""
        identity = f"{USER_HEADER}: {next(users)}"
        sent = await connection.ask(request_of("POST", _SEND, question, identity))
        where = msgspec.json.decode(sent)["stream_url"]
        return await connection.ask_for_a_token(request_of("GET", where, b"", identity))

    return probe


def _question(script: Script) -> bytes:
    return msgspec.json.encode({"message": msgspec.json.encode(script).decode()})
