"""Who is calling: PMM's login decides, whatever the client claims."""

import pytest
from testinfra.host import Host

from pmm_client import USER_IDS, PMMClient
from polling import until

FORGED = {"X-User-ID": "4711"}
ROUTES = [
    ("GET", "/v1/chat/sessions"),
    ("POST", "/v1/chat/sessions"),
    ("POST", "/v1/chat/send"),
    ("POST", "/v1/chat/send?streaming=true"),
    ("GET", "/v1/chat/stream/unknown"),
    ("DELETE", "/v1/chat/clear?session_id=unknown"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("headers", [{}, FORGED], ids=["plain", "forged user id"])
def test_without_a_login_every_call_gets_a_json_401(
    anonymous: PMMClient, method: str, path: str, headers: dict[str, str]
) -> None:
    """Neither a missing login nor a forged identity comes past PMM's authentication."""
    reply = anonymous.request(method, path, {"message": "hello"} if method == "POST" else None, headers)
    assert reply.status == 401
    assert reply.headers["content-type"].startswith("application/json")
    assert reply.json()["error"]


def test_without_a_role_there_is_no_chat(host: Host) -> None:
    """PMM's answer to somebody who may not is the same as to nobody: 401."""
    reply = PMMClient(host, "carol").get("/v1/chat/sessions", FORGED)
    assert (reply.status, reply.json()["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize("login", ["alice", "bob"])
def test_a_forged_user_id_of_a_logged_in_client_is_overwritten(host: Host, login: str) -> None:
    """A session made with a forged identity belongs to whom PMM knows."""
    client = PMMClient(host, login)
    reply = client.post("/v1/chat/sessions", {"title": "forged"}, FORGED)
    assert reply.status == 201
    assert str(reply.json()["user_id"]) == USER_IDS[login]
    assert reply.json()["id"] in client.session_ids()


@pytest.mark.parametrize("path", ["/v1/chat/health"])
def test_a_forged_user_id_does_not_matter_to_the_public_health_path(anonymous: PMMClient, path: str) -> None:
    """Health answers everyone, and says nothing about anyone."""
    assert anonymous.get(path, FORGED).json().keys() == anonymous.get(path).json().keys()


def test_another_program_on_the_server_cannot_claim_to_be_a_user(host: Host) -> None:
    """It reaches the service's port, but does not know what nginx sends."""
    asked = "curl --silent --write-out ' %{http_code}' --header 'X-User-ID: 11' http://localhost:3001/v1/chat/sessions"
    body, _blank, status = host.check_output(asked).rpartition(" ")
    assert (status, "through PMM's proxy" in body) == ("403", True)


def test_a_session_cookie_is_as_good_as_a_password(anonymous: PMMClient) -> None:
    """The browser's way: log in at Grafana, then send nothing but the cookie."""
    login = anonymous.post("/graph/login", {"user": "bob", "password": "bob-password"})
    cookie = login.headers["set-cookie"].partition(";")[0]
    reply = anonymous.post("/v1/chat/sessions", {"title": "by cookie"}, {"Cookie": cookie})
    assert reply.status == 201
    assert str(reply.json()["user_id"]) == USER_IDS["bob"]


def test_while_pmm_cannot_say_who_calls_nobody_is_let_in(host: Host, bob: PMMClient) -> None:
    """And that is told in the service's JSON, with when to come back."""
    assert host.run("supervisorctl stop pmm-managed").rc == 0
    try:
        reply = bob.get("/v1/chat/sessions", FORGED)
    finally:
        assert host.run("supervisorctl start pmm-managed").rc == 0
    assert (reply.status, reply.json()["code"]) == (503, "login_unavailable")
    assert int(reply.headers["retry-after"]) > 0
    until("bob is let in again", lambda: bob.get("/v1/chat/sessions").status == 200)
