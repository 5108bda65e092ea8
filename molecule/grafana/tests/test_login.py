"""Who is calling, on a server whose PMM does not tell: Grafana knows, whatever the client claims."""

import pytest
from testinfra.host import Host

from pmm_client import USER_IDS, PMMClient, Reply
from polling import until

FORGED = {"X-User-ID": "4711"}
BY_TOKEN = {"Authorization": "Bearer glsa_robot"}
ROBOTS_ID = "21"
LARGEST = "/tmp/largest.txt"


def owner_of_a_new_session(client: PMMClient, headers: dict[str, str]) -> str:
    """Create a session and return whose it is."""
    reply = client.post("/v1/chat/sessions", {"title": "new"}, headers)
    assert reply.status == 201, reply
    return str(reply.json()["user_id"])


def log_in(client: PMMClient, login: str) -> dict[str, str]:
    """Log in at Grafana and return the cookie, as a header."""
    reply = client.post("/graph/login", {"user": login, "password": f"{login}-password"})
    return {"Cookie": reply.headers["set-cookie"].partition(";")[0]}


def assert_refused(reply: Reply, status: int, code: str) -> None:
    """Refused, and told in JSON."""
    assert (reply.status, reply.json()["code"]) == (status, code)
    assert reply.json().keys() == {"error", "code", "request_id"}


def test_pmm_itself_would_not_tell(host: Host) -> None:
    """The server is what this scenario is about."""
    asked = "curl --silent --dump-header - --user alice:alice-password --header 'X-Original-Method: GET'"
    told = host.check_output(f"{asked} --header 'X-Original-Uri: /v1/chat/sessions' http://127.0.0.1:7772/auth_request")
    assert " 200 " in told
    assert "x-user-id" not in told.lower()


@pytest.mark.parametrize("login", ["alice", "bob"])
@pytest.mark.parametrize("headers", [{}, FORGED], ids=["plain", "forged user id"])
def test_a_password_names_its_user(host: Host, login: str, headers: dict[str, str]) -> None:
    """Whatever else the client says."""
    assert owner_of_a_new_session(PMMClient(host, login), headers) == USER_IDS[login]


def test_a_cookie_names_its_user_until_the_logout(anonymous: PMMClient) -> None:
    """A few seconds more: as long a good answer counts."""
    cookie = log_in(anonymous, "bob")
    assert owner_of_a_new_session(anonymous, cookie | FORGED) == USER_IDS["bob"]

    assert anonymous.get("/graph/logout", cookie).status == 302

    until("the cookie is nobody's", lambda: anonymous.get("/v1/chat/sessions", cookie).status == 401)


def test_a_token_names_its_service_account(anonymous: PMMClient) -> None:
    """It is nobody else, and has a history of its own."""
    assert owner_of_a_new_session(anonymous, BY_TOKEN | FORGED) == ROBOTS_ID


def test_each_sees_their_own(alice: PMMClient, bob: PMMClient) -> None:
    """Two users in turns, as the service remembers both."""
    of_alice, of_bob = alice.create_session("of alice"), bob.create_session("of bob")

    assert of_alice in alice.session_ids() - bob.session_ids()
    assert of_bob in bob.session_ids() - alice.session_ids()
    assert bob.get(f"/v1/chat/sessions/{of_alice}").status == 404


@pytest.mark.parametrize("headers", [{}, FORGED, {"Cookie": "pmm_session=0123"}, {"Authorization": "Bearer glsa_x"}])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nobody_gets_a_json_401(anonymous: PMMClient, method: str, headers: dict[str, str]) -> None:
    """As on a server whose PMM knows the chat."""
    assert_refused(anonymous.request(method, "/v1/chat/sessions", headers=headers), 401, "unauthenticated")


def test_without_a_role_there_is_no_chat(host: Host) -> None:
    """Somebody whom Grafana knows, and PMM would not let in."""
    assert_refused(PMMClient(host, "carol").get("/v1/chat/sessions"), 403, "forbidden")


def test_an_answer_is_streamed(bob: PMMClient) -> None:
    """From the first word to the last."""
    events = bob.ask("Which of my databases is the slowest?", bob.create_session(""))
    assert events[-1].data["type"] == "done"
    assert len({event.at for event in events}) > 1


def test_large_files_pass(host: Host, bob: PMMClient) -> None:
    """Their size is not held against the question who is calling."""
    assert host.run(f"head --bytes={10 * 1024 * 1024} /dev/zero | tr '\\0' a >{LARGEST}").rc == 0
    assert bob.upload("What do these say?", *[LARGEST] * 2).status == 200


@pytest.mark.parametrize(
    "path", ["/caller", "/v1/chat/caller", "/aichat_auth_request", "/v1/chat/%2e%2e/%2e%2e/caller"]
)
def test_the_question_itself_cannot_be_asked_from_outside(bob: PMMClient, path: str) -> None:
    """Neither at the service nor at nginx's own location."""
    reply = bob.get(path)
    assert reply.status in (401, 403, 404)
    assert "x-user-id" not in reply.headers


def test_health_needs_no_login(anonymous: PMMClient) -> None:
    """For those who watch the server."""
    assert anonymous.get("/v1/chat/health", FORGED).json()["status"] == "ok"
