"""`aichat-backend db copy` as an operator meets it: killed in the middle, or without room, and run again."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import psycopg
import pytest

from aichat_backend.chat.files import NewFile
from aichat_backend.storage.database import Database
from aichat_backend.storage.files import SqlFileStore
from fakes.conversations import ask
from fakes.disks import small_disk
from fakes.postgres import PostgresServer
from fakes.processes import STARTS_PROCESSES
from fakes.program import PATIENCE, PROGRAM, environment_of, run
from fakes.stores import Store
from storage.test_copying import all_rows, fill

pytestmark = [STARTS_PROCESSES, pytest.mark.thorough]

EVERYTHING = "row for row the same"


def command(target: str) -> tuple[str, ...]:
    return ("db", "copy", "--env-only", "--to", target)


def settings(source: str) -> Mapping[str, str]:
    return {"AICHAT_DATABASE_URL": source}


def copy(source: str, target: str) -> subprocess.CompletedProcess[str]:
    return run(*command(target), environment=settings(source))


@contextmanager
def locked(url: str, mode: str) -> Iterator[None]:
    """Let nobody write messages there, or nobody read them either."""
    with psycopg.connect(url) as connection:
        connection.execute(f"LOCK TABLE messages IN {mode} MODE".encode())
        yield


@contextmanager
def copying(source: str, target: str, server: PostgresServer, url: str, mode: str) -> Iterator[subprocess.Popen[str]]:
    """A process that copies, and has come to the messages on the server, but no further."""
    with locked(url, mode):
        process = subprocess.Popen(
            [PROGRAM, *command(target)],
            env=environment_of(settings(source)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        until(lambda: server.execute("SELECT 1 FROM pg_locks WHERE NOT granted"))
        yield process
    # The server hears of the end of a client when it wants to answer.
    until(lambda: not server.execute(f"SELECT 1 FROM pg_stat_activity WHERE datname = '{name_in(url)}'"))


def name_in(url: str) -> str:
    return url.rpartition("@/")[2].partition("?")[0]


def until(condition: Callable[[], object]) -> None:
    deadline = monotonic() + PATIENCE
    while not condition():
        assert monotonic() < deadline


@pytest.mark.parametrize("direction", ["to the server", "from the server"])
def test_a_copy_that_is_killed_in_the_middle_is_completed_by_the_next(
    direction: str, tmp_path: Path, postgres: PostgresServer
) -> None:
    file, url = f"sqlite:///{tmp_path}/chat.db", postgres.create()
    source, target, mode = (file, url, "SHARE") if direction == "to the server" else (url, file, "ACCESS EXCLUSIVE")
    asyncio.run(fill(source))
    assert run("db", "upgrade", "--env-only", environment=settings(target)).returncode == 0

    with copying(source, target, postgres, url, mode) as process:
        process.kill()
        process.communicate()

    begun = all_rows(target)
    assert begun["sessions"] == all_rows(source)["sessions"]
    assert begun["messages"] == []
    for _again in range(2):
        done = copy(source, target)
        assert (done.returncode, done.stderr) == (0, "")
        assert EVERYTHING in done.stdout
        assert all_rows(target) == all_rows(source)


def test_a_copy_whose_server_goes_away_says_which_one_it_was(tmp_path: Path, postgres: PostgresServer) -> None:
    source, target = f"sqlite:///{tmp_path}/chat.db", postgres.create()
    asyncio.run(fill(source))
    assert run("db", "upgrade", "--env-only", environment=settings(target)).returncode == 0

    with copying(source, target, postgres, target, "SHARE") as process:
        postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND state = 'active'"
        )
        _said, complaint = process.communicate()

    assert process.returncode == 1
    assert complaint.startswith("aichat-backend: PostgreSQL at ")
    assert f"database '{name_in(target)}' fails: " in complaint
    assert complaint.count("\n") == 1
    assert EVERYTHING in copy(source, target).stdout


async def fill_much(url: str) -> None:
    """With more than a small disk has room for."""
    database = await Database.open(url)
    await database.upgrade()
    files = SqlFileStore(database)
    for number in range(4):
        await files.keep(NewFile("f", "text/plain", bytes([number]) * 300_000, None))
    await ask(Store(database), "1", "s")
    await database.close()


def test_a_copy_onto_a_disk_with_too_little_room_says_which_disk_that_is(tmp_path: Path) -> None:
    source = f"sqlite:///{tmp_path}/chat.db"
    asyncio.run(fill_much(source))
    with small_disk(tmp_path) as disk:
        target = f"sqlite:///{disk.folder}/copy.db"

        refused = copy(source, target)

        assert refused.returncode == 1
        assert (
            refused.stderr
            == f"aichat-backend: The disk of the database {disk.folder}/copy.db is full. Make room on it.\n"
        )
