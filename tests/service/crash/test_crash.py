"""Nothing is lost: a server killed at random moments of mixed traffic keeps every promise, each time.

`CRASH_KILLS` and `CRASH_SEED` choose how often, and which moments; a failure names its seed.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from aichat_backend.storage.database import Database
from aichat_backend.storage.files import SqlFileStore
from fakes.crash_checks import Checks
from fakes.crash_journal import Journal
from fakes.crash_server import CrashServer
from fakes.crash_traffic import TALK, WORK, User, chatting
from fakes.databases import POSTGRES, SQLITE
from fakes.postgres import PostgresServer
from fakes.processes import STARTS_PROCESSES, TAKES_MINUTES
from fakes.program import PATIENCE
from fakes.sql import column

pytestmark = [STARTS_PROCESSES, TAKES_MINUTES, pytest.mark.thorough]

KILLS = int(os.environ.get("CRASH_KILLS", "200"))
SEED = int(os.environ.get("CRASH_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
SERVERS = 2
USERS = 3
LIVES = ((0.4, WORK), (1.2, WORK), (2.0, WORK), (3.6, TALK))
"""Seconds of traffic at most, and of what kind; in the longest, more is said than the second that may be lost."""
KILLED_WHILE_STARTING = 0.1
"""How many of the starts do not come to their end, either."""


@pytest.fixture(params=[SQLITE, POSTGRES])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """A database for each server."""
    if request.param == "sqlite":
        return [f"sqlite:///{tmp_path}/{number}/chat.db" for number in range(SERVERS)]
    server: PostgresServer = request.getfixturevalue("postgres")
    return [server.create() for _ in range(SERVERS)]


async def test_a_server_killed_at_any_moment_keeps_every_promise(tmp_path: Path, urls: list[str]) -> None:
    print(f"CRASH_SEED={SEED}")  # noqa: T201 - shown when the test fails
    servers = []
    for number, url in enumerate(urls):
        folder = tmp_path / str(number)
        folder.mkdir()
        servers.append(CrashServer(folder, url))

    async with asyncio.TaskGroup() as group:
        for number, server in enumerate(servers):
            group.create_task(_crash_again_and_again(server, random.Random(f"{SEED} {number}"), KILLS // SERVERS))

    for url in urls:
        await _all_that_is_left_belongs_together(url)
    assert [server.complaints() for server in servers] == [[], []]


async def _crash_again_and_again(server: CrashServer, chance: random.Random, kills: int) -> None:
    journal = Journal()
    users = [User(str(number + 1), journal, chance) for number in range(USERS)]
    try:
        for _kill in range(kills - 1):
            if chance.random() < KILLED_WHILE_STARTING:
                await server.begin()
                await asyncio.sleep(chance.uniform(0, 0.7))
                await _kill_unseen(server)
            await server.begin()
            await server.ready()
            await _check(server, journal)
            longest, kinds = chance.choice(LIVES)
            async with chatting(users, server.url, kinds):
                await asyncio.sleep(chance.uniform(0.02, longest))
                await server.kill()
        await _approve_after_a_crash(server, journal, users)
    finally:
        await server.close()


async def _approve_after_a_crash(server: CrashServer, journal: Journal, users: Sequence[User]) -> None:
    """Chance may never have led to that: what waited when the server was killed is carried out by the next one."""
    await server.begin()
    await server.ready()
    await _check(server, journal)
    await server.equipped()
    async with asyncio.timeout(PATIENCE):
        await users[0].ask_for_a_call(server.url)
    await server.kill()
    await server.begin()
    await server.ready()
    await _check(server, journal)
    async with asyncio.timeout(PATIENCE):
        for user in users:
            await user.approve_what_waits(server.url)
    await _check(server, journal)
    asked = [conversation.questions[-1] for conversation in journal.alive(users[0].id) if conversation.questions]
    assert any(question.approved for question in asked)


async def _kill_unseen(server: CrashServer) -> None:
    """Nobody read anything from this process, so the journal's end stays where it is."""
    killed_at = server.killed_at
    await server.kill()
    server.killed_at = killed_at


async def _check(server: CrashServer, journal: Journal) -> None:
    executions = server.executions()
    assert not [id_ for id_, times in executions.items() if times > 1]
    async with aiohttp.ClientSession() as client:
        await Checks(client, server.url, server.killed_at, set(executions)).all_of(journal)


async def _all_that_is_left_belongs_together(url: str) -> None:
    """After a clean-up at a time when nothing that was uploaded is waited for any more."""
    database = await Database.open(url)
    await SqlFileStore(database, clock=lambda: datetime(2999, 1, 1, tzinfo=UTC)).drop_stale()
    ownerless = await column(database, "SELECT sha256 FROM blobs WHERE sha256 NOT IN (SELECT sha256 FROM attachments)")
    lost = await column(database, "SELECT sha256 FROM attachments WHERE sha256 NOT IN (SELECT sha256 FROM blobs)")
    hashes, contents = [await column(database, f"SELECT {of} FROM blobs ORDER BY sha256") for of in ("sha256", "data")]
    left = await column(database, "SELECT count(*) FROM runs")
    await database.close()
    assert ownerless == []
    assert lost == []
    assert hashes == [hashlib.sha256(data).hexdigest() for data in contents]
    assert left == [0]
