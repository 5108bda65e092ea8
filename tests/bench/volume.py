"""What a large database makes of a request: each kind of them, asked of a full one and of one with a single user.

The single user's database is as small as one can be that has the same to answer: pages of sessions, messages and hits.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientSession
from tests.bench.filling import COMMON, RARE, Size, fill
from tests.bench.processes import free_port, running
from tests.bench.report import Figure, Pair, Target
from tests.bench.script import Incomplete

SMALL = Size(users=1)
LARGE = Size(users=500)

_TARGET = Target(ratio=1.5)
_ROUNDS = 9
_REQUESTS = 30
_WARMING = 40


@dataclass(frozen=True)
class Service:
    """A service on a database of its own."""

    http: ClientSession
    address: str
    size: Size

    async def request(self, method: str, path: str, user: int, body: dict[str, str] | None = None) -> None:
        """Ask, and read the whole answer."""
        headers = {"X-User-ID": str(user)}
        async with self.http.request(method, f"{self.address}/v1/chat{path}", headers=headers, json=body) as answer:
            await answer.read()
            if answer.status != 200:
                raise Incomplete(f"{method} {path} was answered with {answer.status}")


Ask = Callable[[Service, random.Random, int], Awaitable[None]]


def _get(path: Callable[[random.Random], str]) -> Ask:
    return lambda service, chance, user: service.request("GET", path(chance), user)


async def _send(service: Service, chance: random.Random, user: int) -> None:
    await service.request("POST", "/send", user, {"message": f"Why is {RARE}{chance.randrange(20_000)} slow?"})


async def _send_on(service: Service, chance: random.Random, _user: int) -> None:
    """Always of the same user: the sessions grow by it, and are to grow alike."""
    session = f"s{chance.randrange(service.size.sessions_of_a_user)}"
    await service.request("POST", "/send", 1, {"message": "And now?", "session_id": session})


REQUESTS: dict[str, Ask] = {
    "list, first page": _get(lambda _: "/sessions?limit=20"),
    "list, second page": _get(lambda _: "/sessions?limit=20&page=2"),
    "newest messages": _get(lambda chance: f"/sessions/s{chance.randrange(40)}/messages?limit=20"),
    "messages, second page": _get(lambda chance: f"/sessions/s{chance.randrange(40)}/messages?limit=20&page=2"),
    "search, a rare word": _get(lambda chance: f"/sessions?q={RARE}{chance.randrange(20_000)}"),
    "search, a common word": _get(lambda _: f"/sessions?q={COMMON}"),
    "search, two beginnings": _get(lambda chance: f"/sessions?q=common1+{RARE}{chance.randrange(10, 99)}"),
    "send, a new session": _send,
    "send, in a session": _send_on,
}


async def measure_volume(http: ClientSession, folder: Path, large: Size) -> list[Figure]:
    """A figure for each kind of request."""
    async with _service(http, folder / "small", SMALL) as small, _service(http, folder / "large", large) as full:
        return [await _figure(name, ask, small, full) for name, ask in REQUESTS.items()]


async def _figure(name: str, ask: Ask, small: Service, full: Service) -> Figure:
    _say(name)
    chance = random.Random(name)
    for service in (small, full):
        await _milliseconds(service, ask, chance, _WARMING)
    pairs = []
    for number in range(_ROUNDS):
        times = {
            service.address: await _milliseconds(service, ask, chance, _REQUESTS)
            for service in ((small, full) if number % 2 else (full, small))
        }
        pairs.append(Pair(times[small.address], times[full.address]))
    return Figure(name, "ms", pairs, _TARGET)


async def _milliseconds(service: Service, ask: Ask, chance: random.Random, requests: int) -> float:
    """The median of some requests, each of another user."""
    times = []
    for _ in range(requests):
        user = chance.randint(1, service.size.users)
        began = time.perf_counter()
        await ask(service, chance, user)
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


@asynccontextmanager
async def _service(http: ClientSession, folder: Path, size: Size) -> AsyncIterator[Service]:
    port = free_port()
    environment = {
        "AICHAT_PORT": str(port),
        "AICHAT_DATA_DIR": str(folder),
        "AICHAT_LLM_PROVIDER": "mock",
        "AICHAT_MOCK_DELAY_MS": "0",
        "AICHAT_AUTO_TITLES": "false",
        "AICHAT_MAX_MESSAGES_PER_MINUTE": "100000",
    }
    async with running(["-m", "aichat_backend", "--env-only"], port, folder / "log", environment):
        yield Service(http, f"http://127.0.0.1:{port}", size)


def fill_both(folder: Path, large: Size) -> None:
    """Make both databases, and tell how long that took."""
    for name, size in (("small", SMALL), ("large", large)):
        (folder / name).mkdir()
        began = time.monotonic()
        fill(folder / name / "chat.db", size)
        megabytes = (folder / name / "chat.db").stat().st_size / 1e6
        _say(f"{size.messages} messages in {time.monotonic() - began:.0f} s, {megabytes:.0f} MB")


def _say(what: str) -> None:
    sys.stderr.write(f"… {what}\n")
