"""What a large database makes of a request: each kind of them, asked of a full one and of one with a single user.

The single user's database is as small as one can be that has the same to answer: pages of sessions, messages and hits.
In the full one, many users have as much as that one. One user more has as much as all of them, and another one a very
long session.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from aiohttp import ClientSession
from tests.bench.filling import COMMON, RARE, Size, fill
from tests.bench.processes import free_port, running
from tests.bench.report import Figure, Pair, Target
from tests.bench.script import Incomplete

USERS = 500
SMALL = Size(users=1)

_TARGET = Target(ratio=1.5)
_NONE = Target()
_ROUNDS = 9
_REQUESTS = 30
_WARMING = 40
_SECONDS = 0.5
"""What takes longer is asked less often, but at least once each time."""


class Who(Enum):
    """Who asks. The value is for the report."""

    ANYBODY = ""
    MANY_SESSIONS = "one with a million messages: "
    LONG_SESSION = "one with a long session: "


@dataclass(frozen=True)
class Group:
    """Users who have as much as each other."""

    first: int
    size: Size

    def somebody(self, chance: random.Random) -> int:
        """One of them."""
        return self.first + chance.randrange(self.size.users)

    def session(self, chance: random.Random) -> str:
        """One of each one's sessions."""
        return f"s{chance.randrange(self.size.sessions_of_a_user)}"


@dataclass(frozen=True)
class Service:
    """A service on a database of its own."""

    http: ClientSession
    address: str
    groups: Mapping[Who, Group]

    async def request(self, method: str, path: str, user: int, body: dict[str, str] | None = None) -> None:
        """Ask, and read the whole answer."""
        headers = {"X-User-ID": str(user)}
        async with self.http.request(method, f"{self.address}/v1/chat{path}", headers=headers, json=body) as answer:
            await answer.read()
            if answer.status != 200:
                raise Incomplete(f"{method} {path} was answered with {answer.status}")


@dataclass(frozen=True)
class Scale:
    """The two databases."""

    users: int = USERS
    """With as much as the small database's only one has."""

    @property
    def small(self) -> Mapping[Who, Group]:
        """The same one asks in every role."""
        return dict.fromkeys(Who, Group(1, SMALL))

    @property
    def large(self) -> Mapping[Who, Group]:
        """By default a million messages of many, a million of one, and 100,000 in one session."""
        many = Size(self.users)
        return {
            Who.ANYBODY: Group(1, many),
            Who.MANY_SESSIONS: Group(self.users + 1, Size(1, sessions_of_a_user=40 * self.users)),
            Who.LONG_SESSION: Group(self.users + 2, Size(1, 1, messages_of_a_session=200 * self.users)),
        }


Ask = Callable[[Service, Group, random.Random], Awaitable[None]]


def _get(path: Callable[[Group, random.Random], str]) -> Ask:
    return lambda service, group, chance: service.request("GET", path(group, chance), group.somebody(chance))


async def _send(service: Service, group: Group, chance: random.Random) -> None:
    question = {"message": f"Why is {RARE}{chance.randrange(20_000)} slow?"}
    await service.request("POST", "/send", group.somebody(chance), question)


async def _send_on(service: Service, group: Group, chance: random.Random) -> None:
    """Always of the same user: the sessions grow by it, and are to grow alike."""
    await service.request("POST", "/send", group.first, {"message": "And now?", "session_id": group.session(chance)})


_LIST = _get(lambda _group, _chance: "/sessions?limit=20")
_MIDDLE = _get(lambda group, _chance: f"/sessions?limit=20&page={max(1, group.size.sessions_of_a_user // 40)}")
_NEWEST = _get(lambda group, chance: f"/sessions/{group.session(chance)}/messages?limit=20")
_RARE = _get(lambda _group, chance: f"/sessions?q={RARE}{chance.randrange(20_000)}")
_COMMON = _get(lambda _group, _chance: f"/sessions?q={COMMON}")


def _messages(page: Callable[[Group], int]) -> Ask:
    return _get(lambda group, chance: f"/sessions/{group.session(chance)}/messages?limit=20&page={page(group)}")


@dataclass(frozen=True)
class Kind:
    """A kind of request."""

    name: str
    ask: Ask
    who: Who = Who.ANYBODY
    target: Target = _TARGET
    meanwhile: tuple[Who, Ask] | None = None
    """What somebody else asks all the time."""


KINDS = (
    Kind("list, first page", _LIST),
    Kind("list, second page", _get(lambda _group, _chance: "/sessions?limit=20&page=2")),
    Kind("newest messages", _NEWEST),
    Kind("messages, second page", _messages(lambda _group: 2)),
    Kind("search, a rare word", _RARE),
    Kind("search, a common word", _COMMON),
    Kind(
        "search, two beginnings", _get(lambda _group, chance: f"/sessions?q=common1+{RARE}{chance.randrange(10, 99)}")
    ),
    Kind("send, a new session", _send),
    Kind("send, in a session", _send_on),
    Kind("list, while one searches a million", _LIST, meanwhile=(Who.MANY_SESSIONS, _COMMON)),
    Kind("send, while one asks in a long session", _send, meanwhile=(Who.LONG_SESSION, _send_on)),
    Kind("list, first page", _LIST, Who.MANY_SESSIONS),
    Kind("list, a page in the middle", _MIDDLE, Who.MANY_SESSIONS),
    Kind("newest messages", _NEWEST, Who.MANY_SESSIONS),
    Kind("messages, second page", _messages(lambda _group: 2), Who.MANY_SESSIONS),
    Kind("send, a new session", _send, Who.MANY_SESSIONS, _NONE),
    Kind("send, in a session", _send_on, Who.MANY_SESSIONS, _NONE),
    Kind("search, a rare word", _RARE, Who.MANY_SESSIONS, _NONE),
    Kind("search, a common word", _COMMON, Who.MANY_SESSIONS, _NONE),
    Kind("newest messages", _NEWEST, Who.LONG_SESSION),
    Kind(
        "a page in the middle",
        _messages(lambda group: max(1, group.size.messages_of_a_session // 40)),
        Who.LONG_SESSION,
    ),
    Kind("send", _send_on, Who.LONG_SESSION, _NONE),
    Kind("search, a common word", _COMMON, Who.LONG_SESSION, _NONE),
)


async def measure_volume(http: ClientSession, folder: Path, scale: Scale) -> list[Figure]:
    """A figure for each kind of request."""
    async with (
        _service(http, folder / "small", scale.small) as small,
        _service(http, folder / "large", scale.large) as full,
    ):
        return [await _figure(kind, small, full) for kind in KINDS]


async def _figure(kind: Kind, small: Service, full: Service) -> Figure:
    name = f"{kind.who.value}{kind.name}"
    _say(name)
    chance = random.Random(name)
    for service in (small, full):
        await _milliseconds(service, kind, chance, _WARMING)
    pairs = []
    for number in range(_ROUNDS):
        times = {
            service.address: await _milliseconds(service, kind, chance, _REQUESTS)
            for service in ((small, full) if number % 2 else (full, small))
        }
        pairs.append(Pair(times[small.address], times[full.address]))
    return Figure(name, "ms", pairs, kind.target)


async def _milliseconds(service: Service, kind: Kind, chance: random.Random, requests: int) -> float:
    """The median of some requests."""
    times: list[float] = []
    async with _meanwhile(service, kind):
        deadline = time.perf_counter() + _SECONDS
        while not times or (len(times) < requests and time.perf_counter() < deadline):
            began = time.perf_counter()
            await kind.ask(service, service.groups[kind.who], chance)
            times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


@asynccontextmanager
async def _meanwhile(service: Service, kind: Kind) -> AsyncIterator[None]:
    if kind.meanwhile is None:
        yield
        return
    who, ask = kind.meanwhile
    over = asyncio.Event()

    async def go_on() -> None:
        chance = random.Random(kind.name)
        while not over.is_set():
            await ask(service, service.groups[who], chance)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(go_on())
        yield
        over.set()


@asynccontextmanager
async def _service(http: ClientSession, folder: Path, groups: Mapping[Who, Group]) -> AsyncIterator[Service]:
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
        yield Service(http, f"http://127.0.0.1:{port}", groups)


def fill_both(folder: Path, scale: Scale) -> None:
    """Make both databases, and tell how long that took."""
    for name, sizes in (("small", [SMALL]), ("large", [group.size for group in scale.large.values()])):
        (folder / name).mkdir()
        began = time.monotonic()
        fill(folder / name / "chat.db", *sizes)
        megabytes = (folder / name / "chat.db").stat().st_size / 1e6
        messages = sum(size.messages for size in sizes)
        _say(f"{messages} messages in {time.monotonic() - began:.0f} s, {megabytes:.0f} MB")


def _say(what: str) -> None:
    sys.stderr.write(f"… {what}\n")
