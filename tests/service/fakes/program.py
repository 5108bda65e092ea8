"""The installed program as an operator meets it: run to its end, or left serving."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from itertools import cycle
from pathlib import Path
from typing import Any, Self

PROGRAM = Path(sys.executable).with_name("aichat-backend")
USER = "7"
PATIENCE = 30.0
"""Seconds after which something that should have happened did not. Nothing waits that long when all is well."""


def run(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the program to its end, with no other environment than the one given."""
    return subprocess.run(
        [PROGRAM, *arguments], env=environment_of(environment), capture_output=True, text=True, timeout=PATIENCE
    )


def free_port() -> int:
    """A port that nobody listens on just now, and that nobody else is given: no other worker, and no client."""
    while True:
        port = next(_ports)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port


def _own_ports() -> Iterator[int]:
    """Those of this worker, beginning with a random one; all below the ones that clients are given by the system."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    each = _PORTS[worker % _WORKERS :: _WORKERS]
    first = random.randrange(len(each))
    return cycle((*each[first:], *each[:first]))


_PORTS = range(11_000, 32_000)
_WORKERS = 16
_ports = _own_ports()


@dataclass(frozen=True)
class Answer:
    """What came back for a request."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Service:
    """A serving process with the mock provider."""

    def __init__(self, data: Path, *, under: Sequence[str] = (), **environment: str) -> None:
        """`under` is a command that starts the program in other circumstances."""
        self.port = int(environment.get("AICHAT_PORT", 0)) or free_port()
        given = {"AICHAT_PORT": str(self.port), "AICHAT_DATA_DIR": str(data), "AICHAT_LLM_PROVIDER": "mock"}
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed when the service is left
        self._process = subprocess.Popen(
            [*under, PROGRAM, "--env-only"],
            env=environment_of({**given, "AICHAT_MOCK_DELAY_MS": "0", **environment}),
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self.log: list[dict[str, Any]] = []
        self._logged = threading.Condition()
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        self.wait_for("listening")
        # On a busy machine it listens before the database is open.
        self.wait_for("dead_runs_looked_for", "database_unusable")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._errors.close()

    def wait_for(self, *events: str) -> dict[str, Any]:
        """Wait until the log tells of one of these events."""

        def told() -> dict[str, Any] | None:
            return next((line for line in self.log if line["event"] in events), None)

        with self._logged:
            self._logged.wait_for(lambda: told() or not self._reader.is_alive(), PATIENCE)
        found = told()
        assert found is not None, f"none of {events} in the log: {self.log}"
        return found

    def told(self, event: str) -> list[dict[str, Any]]:
        """What the log tells of an event so far: up to a request that is made now."""
        mark = self.request("GET", "/health").headers["X-Request-ID"]
        with self._logged:
            assert self._logged.wait_for(lambda: any(line.get("request_id") == mark for line in self.log), PATIENCE)
            return [line for line in self.log if line["event"] == event]

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def exit_status(self) -> int:
        """Wait for the end, and for all that the log has."""
        status = self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status

    def errors(self) -> str:
        """All of standard error so far."""
        self._errors.seek(0)
        return self._errors.read()

    def request(self, method: str, path: str, body: object = None) -> Answer:
        """Ask as the proxy does, for a user."""
        with self._connection() as connection:
            response = _send(connection, method, path, body)
            return Answer(response.status, dict(response.getheaders()), json.loads(response.read()))

    def ask(self, message: str, session_id: str | None = None) -> Answer:
        """Ask a question and wait for the whole answer."""
        return self.request("POST", "/v1/chat/send", {"message": message, "session_id": session_id})

    def ask_streaming(self, message: str, session_id: str | None = None) -> Any:
        """Ask a question whose answer is to be followed."""
        asked = self.request("POST", "/v1/chat/send?streaming=true", {"message": message, "session_id": session_id})
        assert asked.status == 200, asked
        return asked.body

    @contextmanager
    def follow(self, stream_url: str, last_event_id: int = 0) -> Iterator[Iterator[dict[str, Any]]]:
        """The events of an answer after one, each as soon as it arrives."""
        with self._connection() as connection:
            response = _send(connection, "GET", stream_url, headers={"Last-Event-ID": str(last_event_id)})
            assert response.status == 200
            yield _events(response)

    def messages(self, session_id: str) -> list[dict[str, Any]]:
        """The history of a session."""
        listed: list[dict[str, Any]] = self.request("GET", f"/v1/chat/sessions/{session_id}/messages").body["messages"]
        return listed

    @contextmanager
    def _connection(self) -> Iterator[HTTPConnection]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            yield connection
        finally:
            connection.close()

    def _read_log(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._logged:
                self.log.append(json.loads(line))
                self._logged.notify_all()
        with self._logged:
            self._logged.notify_all()


def environment_of(given: Mapping[str, str] | None) -> dict[str, str]:
    """All that a program is started with."""
    # The tests may be run on another tree than the one that is installed.
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return {**kept, "PYTHONWARNINGS": "error", **(given or {})}


def _send(
    connection: HTTPConnection, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
) -> HTTPResponse:
    sent = {"X-User-ID": USER, "Content-Type": "application/json", **(headers or {})}
    connection.request(method, path, None if body is None else json.dumps(body), sent)
    return connection.getresponse()


def _events(response: HTTPResponse) -> Iterator[dict[str, Any]]:
    for line in response:
        if line.startswith(b"data: "):
            yield json.loads(line.removeprefix(b"data: "))
