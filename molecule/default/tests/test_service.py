"""The service as supervisord and the operator see it."""

import json

import pytest
from testinfra.host import Host

from pmm_client import PMMClient

LOG = "/srv/logs/aichat-backend.log"


def test_supervisord_says_running_to_the_user_pmm(host: Host) -> None:
    """`supervisorctl` needs no option, and no root."""
    status = host.run("sudo -u pmm supervisorctl status aichat-backend")
    assert status.rc == 0
    assert status.stdout.split()[:2] == ["aichat-backend", "RUNNING"]


def test_the_process_belongs_to_pmm(host: Host) -> None:
    """Nothing of the service runs as root."""
    pid = host.check_output("supervisorctl pid aichat-backend")
    assert host.check_output(f"ps -o user= -p {pid}") == "pmm"


def test_it_listens_on_loopback_port_3001_and_nowhere_else(host: Host) -> None:
    """No other address and no other port."""
    pid = host.check_output("supervisorctl pid aichat-backend")
    sockets = [line for line in host.check_output("sudo -u pmm ss -Hltnp").splitlines() if f"pid={pid}," in line]
    assert [line.split()[3] for line in sockets] == ["127.0.0.1:3001"]


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:3001/health",
        "http://localhost:3001/v1/chat/health",
        "http://localhost/v1/chat/health",
        "http://localhost:8080/v1/chat/health",
    ],
)
def test_health_is_public_directly_and_through_nginx(host: Host, url: str) -> None:
    """It needs no login and says ok."""
    health = json.loads(host.check_output(f"curl --silent --fail {url}"))
    assert health["status"] == "ok"
    assert health.keys() == {"status", "timestamp", "version"}


def test_metrics_are_not_reachable_through_nginx(host: Host, alice: PMMClient) -> None:
    """Prometheus scrapes them on loopback; a user does not see them."""
    assert host.run("curl --silent --fail http://localhost:3001/metrics").rc == 0
    assert alice.get("/v1/chat/metrics").status == 404


def test_the_log_fills_with_json_lines(host: Host, alice: PMMClient) -> None:
    """A request leaves lines, each of them JSON, none of them with the question's text."""
    before = len(host.file(LOG).content_string.splitlines())
    alice.ask("a question that nobody shall read in a log", alice.create_session("logged"))
    lines = host.file(LOG).content_string.splitlines()
    assert len(lines) > before
    assert all(isinstance(json.loads(line), dict) for line in lines[before:])
    assert "nobody shall read" not in "\n".join(lines)
