"""An upgrade that is killed at every step, one time after the other, and then let run."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from canaries import shown
from killing import kill_at
from polling import until
from server_state import state
from watched_plays import Deploy

RELEASES = "/opt/aichat-backend/releases"
OTHER = "/etc/supervisord.d/other.ini"


def succeeds(host: Host, command: str) -> bool:
    """Whether a command does."""
    return bool(host.run(command).rc == 0)


def healthy(host: Host) -> bool:
    """Whether the service answers, with the old configuration or with the new one."""
    return any(succeeds(host, f"curl --fail --silent http://localhost:{port}/health") for port in (3001, 3002))


def at_once(host: Host) -> bool:
    """Whether supervisord answers, which it always does."""
    return succeeds(host, "supervisorctl pid")


STEPS: dict[str, Callable[[Host], bool]] = {
    "Keep what this play may change": at_once,
    # The release has been switched, and the configuration is the old one.
    "Make the folder for data": healthy,
    "Place the settings as a file": at_once,
    "Place the API key": at_once,
    "Place the supervisord configuration": at_once,
    # The configuration is the new one, and nobody has read it.
    "Include the locations in PMM's server block, or take them out of it": healthy,
    "Let supervisord take over the program's configuration": at_once,
    "Restart aichat-backend": at_once,
    "Reload nginx": at_once,
    "Wait until supervisord takes it as running": at_once,
    "Forget how it was": healthy,
}


@pytest.mark.parametrize("step", STEPS)
def test_pmm_goes_on_when_an_upgrade_is_killed(host: Host, newer: Path, second: dict[str, Any], step: str) -> None:
    """Should nginx or supervisord begin anew, they can read all that they have."""
    said = kill_at(step, host, newer, second, once=lambda: STEPS[step](host))

    assert shown(said) == []
    assert host.run("sudo -u pmm nginx -t").rc == 0
    assert re.search(r"^aichat-backend ", host.check_output("supervisorctl avail"), re.MULTILINE)
    assert host.run("curl --fail --silent http://localhost:8080/v1/server/readyz").rc == 0


def test_the_next_upgrade_goes_through(host: Host, deploy: Deploy, second: dict[str, Any]) -> None:
    """The new release answers on the new port."""
    done = deploy(newer=True, **second)

    assert done.returncode == 0, done.stdout + done.stderr
    until("the new release answers", lambda: version(host) == "0.2.0")


def test_one_can_go_back_and_forth_by_hand(host: Host, deploy: Deploy, second: dict[str, Any]) -> None:
    """To a release that is there."""
    refused = deploy.go_back(**second, ai_chat_release="9.9.9")
    assert refused.returncode != 0
    assert version(host) == "0.2.0"

    for goal, options in (("0.1.0", {}), ("0.2.0", {"ai_chat_release": "0.2.0"})):
        gone = deploy.go_back(**second, **options)
        assert gone.returncode == 0, gone.stdout + gone.stderr
        assert version(host) == goal


def test_the_end_is_that_of_a_deployment_that_nothing_disturbed(
    host: Host, deploy: Deploy, second: dict[str, Any], untouched: str
) -> None:
    """Compared with a first one, after a removal that leaves nothing, which another program hindered at first."""
    disturbed = lasting(host)

    host.check_output(f"printf '[program:other]\\nenvironment=KEY=\"canary-other\\n' >{OTHER}")
    hindered = deploy(newer=True, ai_chat_state="absent", ai_chat_remove_data=True, **second)
    host.check_output(f"rm {OTHER}")
    assert hindered.returncode != 0
    assert "supervisord still has the program aichat-backend" in " ".join((hindered.stdout + hindered.stderr).split())

    removed = deploy(newer=True, ai_chat_state="absent", ai_chat_remove_data=True, **second)
    assert removed.returncode == 0, removed.stdout + removed.stderr
    assert state(host, times=False) == untouched

    again = deploy(newer=True, **second)
    assert again.returncode == 0, again.stdout + again.stderr
    assert disturbed == lasting(host)


def version(host: Host) -> str:
    """The version that answers on the new port."""
    return str(json.loads(host.run("curl --silent http://localhost:3002/health").stdout or "{}").get("version"))


def lasting(host: Host) -> list[str]:
    """The state but for what tells of earlier releases, and the files of the release that is current."""
    other = re.compile(rf"{RELEASES}/(?!0\.2\.0)|/opt/aichat-backend/switches\.json")
    current: str = host.check_output(f"find {RELEASES}/0.2.0-* -printf '%P %y %u %g %m %l\\n' | sort")
    return [line for line in state(host, times=False).splitlines() if not other.search(line)] + current.splitlines()
