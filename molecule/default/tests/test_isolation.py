"""Two people on one server: what belongs to one does not exist for the other."""

import pytest

from pmm_client import PMMClient, Reply

CALLS = [
    ("GET", "/v1/chat/sessions/{}", None),
    ("GET", "/v1/chat/sessions/{}/messages", None),
    ("PUT", "/v1/chat/sessions/{}", {"title": "mine now"}),
    ("DELETE", "/v1/chat/sessions/{}/messages", None),
    ("DELETE", "/v1/chat/sessions/{}", None),
    ("DELETE", "/v1/chat/clear?session_id={}", None),
]


def _without_request_id(reply: Reply) -> tuple[int, dict[str, str]]:
    body = dict(reply.json())
    del body["request_id"]
    return reply.status, body


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_a_foreign_session_answers_exactly_like_a_missing_one(
    alice: PMMClient, bob: PMMClient, method: str, path: str, body: dict[str, str] | None
) -> None:
    """The two 404s differ in nothing but the request's id, and the owner still has everything."""
    foreign = alice.create_session("of alice")
    alice.ask("remember this", foreign)

    refused = _without_request_id(bob.request(method, path.format(foreign), body))
    missing = _without_request_id(bob.request(method, path.format("no-such-session"), body))

    assert refused[0] == 404
    assert refused == missing
    assert alice.get(f"/v1/chat/sessions/{foreign}").json()["id"] == foreign
    assert len(alice.get(f"/v1/chat/sessions/{foreign}/messages").json()["messages"]) == 2


def test_a_list_holds_only_ones_own_sessions(alice: PMMClient, bob: PMMClient) -> None:
    """Neither sees the other's session in the list."""
    of_alice, of_bob = alice.create_session("of alice"), bob.create_session("of bob")
    seen_by_alice, seen_by_bob = alice.session_ids(), bob.session_ids()
    assert of_alice in seen_by_alice
    assert of_bob in seen_by_bob
    assert not seen_by_alice & seen_by_bob


def test_a_foreign_stream_is_not_found(alice: PMMClient, bob: PMMClient) -> None:
    """A stream's address is worth nothing to anyone else."""
    started = alice.post("/v1/chat/send?streaming=true", {"message": "hello"}).json()
    reply = bob.get(started["stream_url"])
    assert reply.status == 404
    assert alice.events(started["stream_url"])[-1].data["type"] == "done"
