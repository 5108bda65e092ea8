"""A real PostgreSQL server, from the machine's packages, in a folder of its own and on a socket in it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psycopg

_INSTALLED = Path("/usr/lib/postgresql")
_SUPERUSER = "tester"

_WITHOUT_DURABILITY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_ALWAYS = {"listen_addresses": "''", "max_connections": "200", "shared_buffers": "32MB", "autovacuum": "off"}


class PostgresServer:
    """Starts, stops and kills one server; makes databases on it."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self._data = folder / "data"
        self._socket = folder
        self._settings = _ALWAYS if durable else {**_ALWAYS, **_WITHOUT_DURABILITY}
        self._databases = 0
        self._runs = False
        self._run("initdb", "-D", self._data, "-U", _SUPERUSER, "--auth=trust", "--encoding=UTF8", "--no-locale", "-N")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = " ".join(
            f"-c {name}={value}" for name, value in {**self._settings, "unix_socket_directories": self._socket}.items()
        )
        self._run("pg_ctl", "-D", self._data, "-l", self._socket / "log", "-o", options, "-w", "start")
        self._runs = True

    def stop(self) -> None:
        """End the server and its connections, as an operator's restart does."""
        self._end("fast")

    def kill(self) -> None:
        """End the server as a crash does."""
        self._end("immediate")

    def create(self, name: str | None = None, *, template: str = "template0", encoding: str = "UTF8") -> str:
        """A new database, a copy of that one; its URL."""
        self._databases += 1
        name = name or f"test_{self._databases}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} ENCODING '{encoding}'")
        return self.url(name)

    def url(self, database: str) -> str:
        """The URL of a database on this server."""
        return f"postgresql://{_SUPERUSER}@/{database}?host={self._socket}"

    def execute(self, sql: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """The rows of a statement, on a connection of its own outside of transactions."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def _end(self, how: str) -> None:
        if self._runs:
            self._run("pg_ctl", "-D", self._data, "-m", how, "-w", "stop")
            self._runs = False

    def _run(self, program: str, *arguments: object) -> None:
        # The server refuses to run as root.
        user = _unprivileged().pw_name if os.geteuid() == 0 else None
        command = [str(_programs() / program), *map(str, arguments)]
        ended = subprocess.run(
            command, user=user, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60
        )
        assert ended.returncode == 0, ended.stdout


@contextmanager
def postgres_server(*, durable: bool = False) -> Iterator[PostgresServer]:
    """A server that is running, until the block ends."""
    # Not in pytest's folder: that is closed to the user that the server runs as, and the socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="aichat-postgres-"))
    try:
        if os.geteuid() == 0:
            os.chown(folder, _unprivileged().pw_uid, _unprivileged().pw_gid)
        server = PostgresServer(folder, durable=durable)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


@cache
def _unprivileged() -> pwd.struct_passwd:
    return pwd.getpwnam("postgres")


@cache
def _programs() -> Path:
    found = sorted(_INSTALLED.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    assert found, f"no PostgreSQL under {_INSTALLED}; remedy: make postgres"
    return found[-1].parent
