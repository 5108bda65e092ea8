"""Faults that a first deployment meets: it says what is wrong, and nothing was made."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from testinfra.host import Host

from canaries import secrets
from server_state import state
from watched_plays import Deploy


@dataclass(frozen=True)
class Fault:
    """How it is made and taken away on the server, or by which variables; and what the play says."""

    said: str
    make: str = "true"
    mend: str = "true"
    variables: dict[str, object] = field(default_factory=dict)


FAULTS = {
    "missing user": Fault(
        "There is no user pmm on this host.",
        "sed -i.before s/^pmm:/somebody:/ /etc/passwd",
        "mv /etc/passwd.before /etc/passwd",
    ),
    "no supervisord": Fault(
        "supervisord does not answer on this host",
        "mv /usr/bin/supervisorctl /usr/bin/supervisord /run/supervisor",
        "mv /run/supervisor/supervisorctl /run/supervisor/supervisord /usr/bin",
    ),
    "supervisord stopped": Fault(
        "supervisord does not answer on this host",
        "mv /run/supervisor/supervisor.sock /run/supervisor/away",
        "mv /run/supervisor/away /run/supervisor/supervisor.sock",
    ),
    "malformed ini of another program": Fault(
        "supervisord would not load its configuration: a quote in environment= is never closed in section "
        "[program:other] of /etc/supervisord.d/other.ini",
        r"printf '[program:other]\ncommand=true\nenvironment=KEY=\"canary-other\n' >/etc/supervisord.d/other.ini",
        "rm /etc/supervisord.d/other.ini",
    ),
    "broken nginx": Fault(
        "nginx refuses its configuration already, so nothing was touched; repair it first",
        "echo 'server { listen 9' >/etc/nginx/conf.d/other.conf",
        "rm /etc/nginx/conf.d/other.conf",
    ),
    "missing Python": Fault(
        "The Python that was asked for, python3.12, is not on this host.", variables={"ai_chat_python": "python3.12"}
    ),
    "no room": Fault(
        "0 MiB are free on the file system of /dev/mqueue, a release needs 400",
        variables={"ai_chat_install_root": "/dev/mqueue/aichat-backend"},
    ),
    "unreachable index": Fault(
        "The package index cannot be reached from this host: check its network and proxy",
        variables={"ai_chat_index_url": secrets()["ai_chat_index_url"]},
    ),
}


@pytest.fixture(params=list(FAULTS.values()), ids=list(FAULTS))
def fault(request: pytest.FixtureRequest, host: Host) -> Iterator[Fault]:
    """Make a fault, and take it away again."""
    made: Fault = request.param
    host.check_output(made.make)
    yield made
    host.check_output(made.mend)


def test_a_fault_is_named_and_nothing_is_made(host: Host, deploy: Deploy, fault: Fault) -> None:
    """The end state is the one before, to the byte, owner, mode and time."""
    before = state(host)

    done = deploy(**secrets() | fault.variables)

    assert done.returncode != 0
    assert fault.said in " ".join((done.stdout + done.stderr).split())
    assert state(host) == before


def test_check_mode_makes_nothing(host: Host, deploy: Deploy, untouched: str) -> None:
    """Nothing is left of all the faults; the play tells what it would do."""
    done = deploy("--check", **secrets())

    assert done.returncode == 0, done.stdout + done.stderr
    assert "+[program:aichat-backend]" in done.stdout
    assert state(host, times=False) == untouched


@pytest.mark.parametrize("options", [(), ("--check",)], ids=["for real", "check mode"])
def test_there_is_nothing_to_go_back_to(host: Host, deploy: Deploy, untouched: str, options: tuple[str, ...]) -> None:
    """Without an ini there is no service; the play says what brings one."""
    gone = deploy.go_back(*options, **secrets())

    assert gone.returncode != 0
    said = " ".join((gone.stdout + gone.stderr).split())
    assert "There is no /etc/supervisord.d/ai-chat.ini on this host" in said
    assert "deploy_ai_chat brings one" in said
    assert state(host, times=False) == untouched
