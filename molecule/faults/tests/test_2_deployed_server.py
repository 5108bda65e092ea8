"""Faults that an upgrade meets: it says what is wrong, and the server goes on as before."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from testinfra.host import Host

from canaries import TOOL_SERVERS, secrets
from killing import kill_at
from server_state import state
from watched_plays import Deploy

INI = "/etc/supervisord.d/ai-chat.ini"
TOOLS = "/srv/aichat-backend/mcp-servers.json"
RELEASES = "/opt/aichat-backend/releases"
HEALTH = "http://localhost:3001/health"


@dataclass(frozen=True)
class Fault:
    """How it is made and taken away on the server, what the play is given besides, and what it says."""

    said: tuple[str, ...]
    make: str
    mend: str
    variables: dict[str, object] = field(default_factory=dict)


def full(folder: str) -> tuple[str, str]:
    """The commands that put a folder on a small file system without any room, and back."""
    away = "/run/away"
    return (
        f"cp -a {folder} {away} && mount -t tmpfs -o size=64k tmpfs {folder} && cp -a {away}/. {folder} "
        f"&& ! dd if=/dev/zero of={folder}/ballast bs=4k status=none",
        f"umount {folder} && rm -r {away}",
    )


UNREACHABLE_DATABASE = secrets()["ai_chat_environment"] | {"AICHAT_DB_HOST": "127.0.0.1", "AICHAT_DB_PORT": "9"}

FAULTS = {
    "malformed ini": Fault(
        (
            f"Nothing was changed in {INI}. supervisord would not load its configuration",
            f"[program:aichat-backend] of {INI}",
        ),
        f"cp -a {INI} /run/away.ini && sed -i 's/^environment=/&\\n    AICHAT_X=\"canary-unclosed,/' {INI}",
        f"mv /run/away.ini {INI}",
    ),
    "no room for a restore point": Fault(
        ("Keep what this play may change: ", "No space left on device"), *full("/var/lib/aichat-backend")
    ),
    "no room for the configuration": Fault(
        ("Place the settings as a file: ", "No space left on device", "The server is as it was before this play"),
        *full("/etc/aichat-backend"),
    ),
    "port taken": Fault(
        (
            "The service did not become healthy within 8 s",
            "3002 on 127.0.0.1 is in use by another program",
            "The server is as it was before this play",
        ),
        "setsid python3 -m http.server --bind 127.0.0.1 3002 </dev/null >/dev/null 2>&1 & echo $! >/run/taker; "
        f"cp -a {TOOLS} /run/away.json; cat >{TOOLS} <<'END'\n{TOOL_SERVERS}END",
        f"kill $(cat /run/taker); mv /run/away.json {TOOLS}",
        {"ai_chat_overwrite_config": True, "ai_chat_environment": UNREACHABLE_DATABASE},
    ),
}


@pytest.fixture(params=list(FAULTS.values()), ids=list(FAULTS))
def fault(request: pytest.FixtureRequest, host: Host) -> Iterator[Fault]:
    """Make a fault, and take it away again; to mount a file system takes more than a container's root may do."""
    made: Fault = request.param
    enter = ("podman", "exec", "--privileged", host.backend.name, "sh", "-c")
    subprocess.run([*enter, made.make], check=True)
    yield made
    subprocess.run([*enter, made.mend], check=True)


def test_a_first_play_that_was_killed_while_it_installed_is_finished_by_the_next_one(
    host: Host, deploy: Deploy, first: dict[str, Any]
) -> None:
    """What was half there is made anew."""
    kill_at(
        "Install the release and its launcher",
        host,
        None,
        first,
        once=lambda: host.run(f"ls {RELEASES}/*/lib/python*/site-packages/*").rc == 0,
    )
    assert host.run("aichat-backend --version").rc == 127
    left = host.check_output(f"ls {RELEASES}")

    done = deploy(**first)

    assert done.returncode == 0, done.stdout + done.stderr
    assert host.check_output(f"ls {RELEASES}") == left
    assert host.run("ls /opt/aichat-backend/.work /var/lib/aichat-backend/restore-point").stdout == ""


def test_a_fault_is_named_and_the_server_goes_on(
    host: Host, deploy: Deploy, fault: Fault, second: dict[str, Any]
) -> None:
    """The configuration is the one before, to the byte, owner, mode and time, and its release runs."""
    before = state(host)
    version = host.check_output("aichat-backend --version")

    done = deploy(newer=True, **second | fault.variables)

    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    assert [part for part in fault.said if part not in said] == []
    assert without_releases(state(host)) == without_releases(before)
    assert host.check_output("aichat-backend --version") == version
    assert host.run(f"curl --fail --silent {HEALTH}").rc == 0


def without_releases(text: str) -> list[str]:
    """A state without the releases that are there, and what is noted of their switches."""
    return [line for line in text.splitlines() if RELEASES not in line and "/opt/aichat-backend/" not in line]
