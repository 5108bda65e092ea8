"""Every command of the project's description, typed as it is written there."""

import json
import shlex
from collections.abc import Callable

import pytest
from testinfra.host import Host

from canary import API_KEY, PROXY_SECRET
from controller import on_the_controller
from manual import commands
from pmm_client import USER_IDS, PMMClient

SUCCEED = [
    "supervisorctl status aichat-backend",
    "curl http://localhost:3001/health",
    "curl http://localhost/v1/chat/health",
    "nginx -t",
    "runuser -u pmm -- nginx -t",
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


def test_the_process_is_among_those_that_are_listed(host: Host) -> None:
    """Beside whoever looks for it by its name."""
    listed = host.check_output("ps aux | grep aichat-backend").splitlines()
    assert [line for line in listed if line.startswith("pmm ") and "/bin/python -I -m aichat_backend" in line]


@pytest.mark.parametrize(
    "log",
    [
        "/srv/logs/aichat-backend.log",
        "/var/log/supervisord/supervisord.log",
        "/var/log/nginx/access.log",
    ],
)
def test_the_log_is_followed_with_tail(host: Host, log: str) -> None:
    """`tail -f` shows lines at once, and goes on until it is ended."""
    first_line = f'coproc tail -f {log}; read -r line <&${{COPROC[0]}} && kill $COPROC_PID && echo "$line"'
    shown = host.check_output(f"timeout 60 bash -c {shlex.quote(first_line)}")
    assert shown


def test_nginx_error_log_exists(host: Host) -> None:
    """Perhaps empty, but where the description says."""
    assert host.file("/var/log/nginx/error.log").is_file


@pytest.mark.parametrize("heading", ["See that it works", "Tool servers"])
def test_the_commands_of_the_manual_succeed(host: Host, heading: str) -> None:
    """Those for the server, after a deployment and after an edit."""
    done = host.run(commands(heading))
    assert done.rc == 0, done.stdout + done.stderr


def test_stop_start_and_restart(host: Host, wait_until_healthy: Callable[[], None]) -> None:
    """The service commands, in their order."""
    for command, last_word in (("stop", "stopped"), ("start", "started"), ("restart", "started")):
        done = host.run(f"supervisorctl {command} aichat-backend")
        assert done.rc == 0, done.stdout
        assert done.stdout.split()[-1] == last_word
    wait_until_healthy()


def test_the_status_is_asked_from_the_controller() -> None:
    """The ad-hoc command, with the scenario's inventory as the default one."""
    done = on_the_controller("ansible", "pmm-servers", "-m", "shell", "-a", "supervisorctl status aichat-backend")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "RUNNING" in done.stdout


def test_the_audit_trail_tells_of_a_deletion(host: Host, alice: PMMClient) -> None:
    """As lines of JSON, of one user and since a day."""
    session = alice.create_session("to be deleted")
    assert alice.request("DELETE", f"/v1/chat/sessions/{session}").status == 200
    told = host.check_output(f"aichat-backend audit --since 2026-03-01 --user {USER_IDS['alice']}").splitlines()
    assert [line for line in told if session in json.dumps(json.loads(line))]


def test_the_audit_trail_tells_which_tool_servers_policies_are_in_force(host: Host) -> None:
    """Those of the file, however often it was edited and read before."""
    configured = json.loads(host.check_output("cat /srv/aichat-backend/mcp-servers.json"))["servers"]
    entries = [json.loads(line) for line in host.check_output("aichat-backend audit").splitlines()]
    last = {entry["tool"]: entry["action"] for entry in entries if entry["action"].startswith("policy_")}
    in_force = {server for server, action in last.items() if action == "policy_changed"}
    assert in_force == {server["name"] for server in configured}


def test_the_play_runs_under_the_name_that_the_description_gives_it() -> None:
    """It is the collection's play, which has nothing left to do."""
    done = on_the_controller("ansible-playbook", "playbooks/deploy-ai-chat.yml", "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed=0 " in done.stdout


def test_the_commands_of_root_leave_nothing_of_root_among_the_data(host: Host) -> None:
    """`check` opens the database; the service must still be able to write it afterwards."""
    assert host.run("aichat-backend check").rc == 0
    assert host.check_output("find /srv/aichat-backend -not -user pmm") == ""


def test_the_effective_configuration_masks_secrets(host: Host) -> None:
    """It names the provider in effect, and the key and the proxy's secret only as being there."""
    shown = host.check_output("aichat-backend config")
    assert "mock" in shown
    assert "AICHAT_PROXY_SECRET" in shown
    assert [secret for secret in (API_KEY, PROXY_SECRET) if secret in shown] == []
