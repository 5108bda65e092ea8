"""Faults that an upgrade meets: it says what is wrong, and the server goes on as before."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from canaries import TOOL_SERVERS, secrets, shown
from killing import kill_at
from polling import until
from server_state import state
from watched_plays import Deploy

INI = "/etc/supervisord.d/ai-chat.ini"
SETTINGS = "/etc/aichat-backend/config.yaml"
TOOLS = "/srv/aichat-backend/mcp-servers.json"
LINK = "/etc/aichat-backend/mcp-servers.json"
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
    "two lists of tool servers": Fault(
        (f"{TOOLS} and {LINK} are two different lists of MCP servers",),
        f"mv {LINK} /run/away.json && cat >{LINK} <<'END'\n{TOOL_SERVERS}END",
        f"mv /run/away.json {LINK}",
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
    """What was half there is made anew. The operator has placed a list of tool servers where the link to it goes."""
    host.check_output(f"mkdir /etc/aichat-backend && cat >{LINK} <<'END'\n{TOOL_SERVERS}END")
    kill_at(
        "Install the release and its launcher",
        host,
        None,
        first,
        once=lambda: host.run(f"ls {RELEASES}/*/lib/python*/site-packages/*").rc == 0,
    )
    assert host.run("aichat-backend --version").rc == 127
    left = host.check_output(f"ls {RELEASES}")

    foretold = deploy("--check", **first)
    done = deploy(**first)

    assert (foretold.returncode, done.returncode) == (0, 0), foretold.stdout + done.stdout + done.stderr
    assert host.check_output(f"ls {RELEASES}") == left
    assert host.run("ls /opt/aichat-backend/.work /var/lib/aichat-backend/restore-point").stdout == ""


def test_the_operators_list_was_taken_over_until_it_is_to_be_overwritten(
    host: Host, deploy: Deploy, first: dict[str, Any]
) -> None:
    """Meanwhile the shipped one lies beside it."""
    tools = host.file(TOOLS)
    assert host.file(LINK).linked_to == TOOLS
    assert (tools.content_string, tools.user, tools.mode) == (TOOL_SERVERS, "pmm", 0o640)
    shipped = host.file(f"{TOOLS}.new").content_string

    done = deploy(ai_chat_overwrite_config=True, **first)

    assert done.returncode == 0, done.stdout + done.stderr
    assert host.file(TOOLS).content_string == shipped
    assert host.check_output(f"cat {TOOLS}.*~ && rm {TOOLS}.*~") == TOOL_SERVERS.strip()


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


@pytest.mark.parametrize("fault", [FAULTS["port taken"]], ids=["port taken"], indirect=True)
def test_what_was_being_put_back_when_it_was_killed_is_put_back_by_the_next_play_that_fails(
    host: Host, deploy: Deploy, newer: Path, fault: Fault, second: dict[str, Any]
) -> None:
    """The release has gone back, the files have not. What was edited meanwhile is kept beside them."""
    before = state(host)
    variables = second | fault.variables | {"ai_chat_health_timeout": 1}

    said = kill_at("Put back the files", host, newer, variables)
    host.check_output(f"echo '# edited' >>{SETTINGS}")
    done = deploy(newer=True, **variables)

    assert shown(said) == []
    assert "as it was before an earlier play, which did not end" in " ".join((done.stdout + done.stderr).split())
    listed = "find /etc /srv/aichat-backend /var/lib/aichat-backend /usr/sbin -name '*~'"
    edited = {path: host.check_output(f"cat {path}.*~") for path in (SETTINGS, TOOLS)}
    assert edited[SETTINGS].endswith("# edited")
    assert edited[TOOLS] == TOOL_SERVERS.strip()
    # Of nginx's file, which is PMM's, nobody knows who has written it.
    backups = [path for path in host.check_output(listed).split() if not path.startswith("/etc/nginx/conf.d/pmm.conf.")]
    assert len(backups) == len(edited), backups
    host.check_output(f"{listed} -delete")
    assert without_releases(state(host)) == without_releases(before)
    until("the release before answers", lambda: bool(host.run(f"curl --fail --silent {HEALTH}").rc == 0))


def without_releases(text: str) -> list[str]:
    """A state without the releases that are there, and what is noted of their switches."""
    return [line for line in text.splitlines() if RELEASES not in line and "/opt/aichat-backend/" not in line]
