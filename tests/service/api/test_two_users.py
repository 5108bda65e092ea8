"""What belongs to another user looks exactly like what does not exist, on every route there is."""

from __future__ import annotations

from typing import Any

from fakes.backend import Answer, Backend, Caller
from fakes.routes import Route, routes_of
from fakes.scripted import ScriptedProvider

PER_REQUEST = {"X-Request-ID", "Date"}


def seen(answer: Answer) -> tuple[int, dict[str, str], Any]:
    """All that a client can tell two answers apart by."""
    headers = {name: value for name, value in answer.headers.items() if name not in PER_REQUEST}
    body = {key: value for key, value in answer.json.items() if key != "request_id"} if answer.body else None
    return answer.status, headers, body


def routes_with_ids(backend: Backend) -> list[Route]:
    named_in_path = [route for route in routes_of(backend.service.app) if "{" in route.path]
    assert len(named_in_path) >= 8
    return [*named_in_path, Route("DELETE", "/v1/chat/clear?session_id={session_id}")]


async def call(caller: Caller, route: Route, session_id: str, stream_id: str) -> Answer:
    headers = {"X-Request-ID": "same"}
    path = route.of(session_id=session_id, stream_id=stream_id)
    return await caller.call(route.method, path, headers=headers, json={"title": "Mine now", "message": "Mine now"})


async def test_foreign_is_missing_on_every_route(scripted: Backend, provider: ScriptedProvider) -> None:
    owner, other = scripted.user("1"), scripted.user("2", prefix="")
    owned = await owner.ask("A secret")
    generating = await provider.asked()
    before = scripted.rows(), (await owner.get("/sessions")).body, await owner.messages(owned["session_id"])

    for route in routes_with_ids(scripted):
        foreign = await call(other, route, owned["session_id"], owned["stream_id"])
        missing = await call(other, route, "A" * 22, "A" * 22)

        assert foreign.status == 404, route
        assert seen(foreign) == seen(missing), route

    assert (scripted.rows(), (await owner.get("/sessions")).body, await owner.messages(owned["session_id"])) == before
    assert not generating.left.is_set()


async def test_the_owner_reaches_the_same_routes(scripted: Backend, provider: ScriptedProvider) -> None:
    owner = scripted.user("1", prefix="")
    for route in routes_with_ids(scripted):
        owned = await scripted.user("1").ask()
        (await provider.asked()).finish()

        assert (await call(owner, route, owned["session_id"], owned["stream_id"])).status == 200, route


async def test_lists_show_only_one_s_own(backend: Backend) -> None:
    for user_id in ("1", "2", "11"):
        await backend.user(user_id).post("/send", {"message": f"I am {user_id}", "session_id": "shared"})

    [listed] = (await backend.user("1").get("/sessions")).json["sessions"]
    assert listed["user_id"] == "1"
    assert (await backend.user("3").get("/sessions")).json["pagination"]["total"] == 0


async def test_deleting_a_session_leaves_another_user_s_of_the_same_id(backend: Backend) -> None:
    for user_id in ("1", "2"):
        await backend.user(user_id).post("/send", {"message": "Why?", "session_id": "shared"})

    await backend.user("1").delete("/sessions/shared/messages")
    await backend.user("1").delete("/sessions/shared")

    assert len(await backend.user("2").messages("shared")) == 2
