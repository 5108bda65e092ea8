"""Every command of the project's description, typed as it is written there."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from testinfra.host import Host

PROJECT = Path(__file__).parents[3]
SUCCEED = [
    "supervisorctl status aichat-backend",
    "curl http://localhost:3001/health",
    "curl http://localhost/v1/chat/health",
    "nginx -t",
    "ps aux | grep aichat-backend",
    "aichat-backend --version",
    "aichat-backend config",
    "aichat-backend check",
]


@pytest.mark.parametrize("command", SUCCEED)
def test_the_command_succeeds(host: Host, command: str) -> None:
    """It exits with 0 and says something."""
    done = host.run(command)
    assert done.rc == 0, done.stdout + done.stderr
    assert done.stdout + done.stderr


@pytest.mark.parametrize(
    "log",
    [
        "/srv/logs/aichat-backend.log",
        "/var/log/supervisord/supervisord.log",
        "/var/log/nginx/access.log",
    ],
)
def test_the_log_is_followed_with_tail(host: Host, log: str) -> None:
    """`tail -f` shows lines at once; it would go on for ever, so it is ended."""
    shown = host.run(f"timeout 0.5 tail -f {log}")
    assert shown.rc == 124
    assert shown.stdout


def test_nginx_error_log_exists(host: Host) -> None:
    """Perhaps empty, but where the description says."""
    assert host.file("/var/log/nginx/error.log").is_file


def test_stop_start_and_restart(host: Host, wait_until_healthy: Callable[[], None]) -> None:
    """The service commands, in their order."""
    for command, last_word in (("stop", "stopped"), ("start", "started"), ("restart", "started")):
        done = host.run(f"supervisorctl {command} aichat-backend")
        assert done.rc == 0, done.stdout
        assert done.stdout.split()[-1] == last_word
    wait_until_healthy()


def test_the_status_is_asked_from_the_controller() -> None:
    """The ad-hoc command, with the scenario's inventory as the default one."""
    inventories = [PROJECT / "dev/server/inventory", PROJECT / "molecule/default/inventory"]
    done = subprocess.run(
        ["ansible", "pmm-servers", "-m", "shell", "-a", "supervisorctl status aichat-backend"],
        env=os.environ | {"ANSIBLE_INVENTORY": ",".join(map(str, inventories))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "RUNNING" in done.stdout


def test_the_effective_configuration_masks_secrets(host: Host) -> None:
    """It names the provider in effect, and the key only as being there."""
    shown = host.check_output("aichat-backend config")
    assert "mock" in shown
    assert "sk-canary" not in shown
