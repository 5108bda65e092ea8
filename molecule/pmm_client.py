"""A client of a PMM server that needs no open port: every request is a curl on the server itself, through its nginx."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from testinfra.backend.base import CommandResult
from testinfra.host import Host

from polling import until

PASSWORDS = {"alice": "alice-password", "bob": "bob-password", "carol": "carol-password"}
USER_IDS = {"alice": "11", "bob": "12"}
_ALWAYS = ("--silent", "--show-error", "--insecure", "--max-time", "120")
_LONGEST_ANSWER = "900"
"""Seconds: what the service allows, on which the slowest server may put an upgrade in the middle."""


@dataclass(frozen=True)
class Reply:
    """One HTTP answer; header names are in lower case, the values of a repeated header joined by commas."""

    status: int
    headers: Mapping[str, str]
    body: str

    def json(self) -> Any:
        """Return the decoded body."""
        return json.loads(self.body)


@dataclass(frozen=True)
class ArrivedEvent:
    """One event of a stream and the moment, in seconds, at which its line was there."""

    at: float
    data: dict[str, Any]


class Reading:
    """A stream that is being read on the server while other things happen."""

    def __init__(self, host: Host, command: str) -> None:
        self._host = host
        self._file = str(host.check_output("mktemp"))
        script = shlex.quote(f"{{ {command}; }} >{self._file} 2>&1; echo ended >>{self._file}")
        assert host.run(f"setsid sh -c {script} </dev/null >/dev/null 2>&1 &").rc == 0
        until("the answer has begun", lambda: host.run(f"grep --quiet ' data: ' {self._file}").rc == 0)

    def events(self) -> list[ArrivedEvent]:
        """Return its events, once it has ended."""
        until("the stream has ended", lambda: self._host.run(f"tail -n 1 {self._file} | grep --quiet '^ended'").rc == 0)
        return _arrived(self._host.run(f"cat {self._file}"))


class PMMClient:
    """Speaks to the server as one of its users, or as nobody."""

    def __init__(self, host: Host, login: str | None = None, base: str = "http://localhost:8080") -> None:
        self._host = host
        self._credentials = ["--user", f"{login}:{PASSWORDS[login]}"] if login else []
        self._base = base

    def request(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
        """Send one request; the body goes out as JSON."""
        arguments = ["--include", "--request", method]
        for name, value in (headers or {}).items():
            arguments += ["--header", f"{name}: {value}"]
        if body is not None:
            arguments += ["--header", "Content-Type: application/json", "--data-raw", json.dumps(body)]
        return _parse(self._curl(*arguments, self._base + path))

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        """GET."""
        return self.request("GET", path, headers=headers)

    def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """POST JSON."""
        return self.request("POST", path, body, headers)

    def upload(self, message: str, *files: str) -> Reply:
        """Send a message with text files of the server."""
        forms = [("--form-string", f"message={message}")]
        forms += [("--form", f"file{number}=@{path};type=text/plain") for number, path in enumerate(files)]
        arguments = [word for form in forms for word in form]
        return _parse(self._curl("--include", *arguments, self._base + "/v1/chat/send-with-files"))

    def create_session(self, title: str) -> str:
        """Create a session and return its id."""
        reply = self.post("/v1/chat/sessions", {"title": title})
        assert reply.status == 201, reply
        session_id = reply.json()["id"]
        assert isinstance(session_id, str)
        return session_id

    def session_ids(self) -> set[str]:
        """Return the ids of the user's newest hundred sessions."""
        return {session["id"] for session in self.get("/v1/chat/sessions?limit=100").json()["sessions"]}

    def ask(self, message: str, session_id: str) -> list[ArrivedEvent]:
        """Send a message and at once read its answer as a stream; both in one command, so that nothing is missed."""
        return _arrived(self._host.run(self._asking(message, session_id)))

    def ask_in_background(self, message: str, session_id: str) -> Reading:
        """Do the same and return as soon as the first event is there."""
        return Reading(self._host, self._asking(message, session_id))

    def _asking(self, message: str, session_id: str) -> str:
        question = json.dumps({"message": message, "session_id": session_id})
        send = ["--fail", "--header", "Content-Type: application/json", "--data-raw", question]
        started = f"$({self._command(*send, self._base + '/v1/chat/send?streaming=true')})"
        address = """sed 's/.*"stream_url": *"\\([^"]*\\)".*/\\1/'"""
        return self._reading(f'"{self._base}$(echo "{started}" | {address})"')

    def events(self, path: str) -> list[ArrivedEvent]:
        """Read an event stream from its start to its end, noting when each event came."""
        return _arrived(self._host.run(self._reading(shlex.quote(self._base + path))))

    def _reading(self, quoted_url: str) -> str:
        stamp = "import sys, time\nfor line in sys.stdin: print(time.time(), line, end='')"
        reader = self._command("--no-buffer", "--fail", "--max-time", _LONGEST_ANSWER)
        return f"{reader} {quoted_url} | {shlex.join(['python3', '-uc', stamp])}"

    def _curl(self, *arguments: str) -> str:
        command = self._host.run(self._command(*arguments))
        assert command.rc == 0, command.stderr
        return str(command.stdout)

    def _command(self, *arguments: str) -> str:
        return shlex.join(["curl", *_ALWAYS, *self._credentials, *arguments])


def _arrived(stream: CommandResult) -> list[ArrivedEvent]:
    events = [_event(line) for line in str(stream.stdout).splitlines() if " data: " in line]
    assert events, stream.stderr
    return events


def _event(line: str) -> ArrivedEvent:
    moment, _, data = line.partition(" data: ")
    return ArrivedEvent(float(moment), json.loads(data))


def _parse(answer: str) -> Reply:
    head, _, body = answer.replace("\r\n", "\n").partition("\n\n")
    while head.startswith("HTTP/1.1 1"):
        head, _, body = body.partition("\n\n")
    status_line, *lines = head.splitlines()
    headers: dict[str, str] = {}
    for name, _, value in (line.partition(":") for line in lines):
        known = headers.get(name.lower())
        headers[name.lower()] = f"{known}, {value.strip()}" if known else value.strip()
    return Reply(int(status_line.split()[1]), headers, body)
