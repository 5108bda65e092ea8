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
    # The release has been switched, and the configuration is the old one.
    "Make the folder for data": healthy,
    # The configuration is the new one, and nobody has read it.
    "Include the locations in PMM's server block, or take them out of it": healthy,
    "Let supervisord take over the program's configuration": at_once,
    "Reload nginx": at_once,
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


def test_the_end_is_that_of_a_deployment_that_nothing_disturbed(
    host: Host, deploy: Deploy, second: dict[str, Any], untouched: str
) -> None:
    """Compared with a first deployment, after a removal that leaves nothing."""
    done = deploy(newer=True, **second)
    assert done.returncode == 0, done.stdout + done.stderr
    until("the new release answers", lambda: version(host) == "0.2.0")
    disturbed = lasting(host)

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
