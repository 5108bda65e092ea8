"""What is needed to know who is calling is away: nobody is let in, and everybody is told."""

from collections.abc import Callable, Iterator

import pytest
from testinfra.host import Host

from pmm_client import PMMClient, Reply
from polling import until


@pytest.fixture
def grafana_is_away(host: Host) -> Iterator[None]:
    """Grafana is stopped, and started again in the end."""
    assert host.run("supervisorctl stop grafana").rc == 0
    yield
    assert host.run("supervisorctl start grafana").rc == 0


def assert_told(reply: Reply, code: str) -> None:
    """Come back later, in JSON."""
    assert (reply.status, reply.json()["code"]) == (503, code)
    assert int(reply.headers["retry-after"]) > 0
    assert reply.json().keys() == {"error", "code", "request_id"}


@pytest.mark.usefixtures("grafana_is_away")
def test_without_grafana_nobody_is_let_in(bob: PMMClient) -> None:
    """Also not whom the service knew a moment ago, or only for that moment."""
    until("bob is not let in", lambda: bob.get("/v1/chat/sessions").status != 200)
    assert_told(bob.get("/v1/chat/sessions"), "login_unavailable")
    assert_told(bob.get("/v1/chat/sessions", {"X-User-ID": "12"}), "login_unavailable")
    assert_told(bob.post("/v1/chat/send", {"message": "hello"}), "login_unavailable")


@pytest.mark.usefixtures("grafana_is_away")
def test_the_service_says_what_is_missing(host: Host, anonymous: PMMClient) -> None:
    """To who watches and to the operator."""
    assert anonymous.get("/v1/chat/health").json()["status"] == "degraded"
    assert '"login":"Grafana at http://127.0.0.1:3000/graph: ' in host.check_output(
        "curl --silent localhost:3001/ready"
    )
    checked = host.run("aichat-backend check")
    assert checked.rc == 1
    assert "AICHAT_GRAFANA_URL says where it is" in checked.stdout


def test_when_grafana_is_back_all_is_well(bob: PMMClient) -> None:
    """Nothing must be restarted."""
    until("bob is let in again", lambda: bob.get("/v1/chat/sessions").status == 200)


def test_a_chat_that_does_not_run_is_told_in_json(
    host: Host, bob: PMMClient, anonymous: PMMClient, wait_until_healthy: Callable[[], None]
) -> None:
    """Not as a page of nginx."""
    assert host.run("supervisorctl stop aichat-backend").rc == 0
    try:
        assert_told(bob.get("/v1/chat/sessions"), "login_unavailable")
        assert_told(anonymous.get("/v1/chat/health"), "unavailable")
    finally:
        assert host.run("supervisorctl start aichat-backend").rc == 0
    wait_until_healthy()
