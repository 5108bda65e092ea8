"""What belongs to another user looks exactly like what does not exist, on every route there is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from aiohttp import FormData
from msgspec import structs

from aichat_backend.chat.parts import text_of
from aichat_backend.config.settings import Settings
from fakes.backend import Answer, Backend, Caller, running_backend
from fakes.routes import Route, routes_of
from fakes.scripted import Call, ScriptedProvider
from fakes.toolbox import FakeToolbox, tool
from fakes.uploads import CSV, send_files

PER_REQUEST = {"X-Request-ID", "Date"}
BODY = {"title": "Mine now", "message": "Mine now", "approved": True}
MISSING = "A" * 22
NAMED_ELSEWHERE = [
    Route("DELETE", "/v1/chat/clear?session_id={session_id}"),
    Route("POST", "/v1/chat/send"),
    Route("POST", "/v1/chat/send-with-files"),
]
"""Routes that take ids in their query or body."""


@pytest.fixture
async def scripted(settings: Settings, provider: ScriptedProvider) -> AsyncIterator[Backend]:
    """With a provider that waits for the test, a tool that must be approved, and no hurry."""
    patient = structs.replace(settings, max_messages_per_minute=1000)
    async with running_backend(patient, provider, FakeToolbox([tool("query")])) as backend:
        yield backend


def seen(answer: Answer) -> tuple[int, dict[str, str], Any]:
    """All that a client can tell two answers apart by."""
    headers = {name: value for name, value in answer.headers.items() if name not in PER_REQUEST}
    body = {key: value for key, value in answer.json.items() if key != "request_id"} if answer.body else None
    return answer.status, headers, body


def routes_with_ids(backend: Backend) -> list[Route]:
    named_in_path = [route for route in routes_of(backend.service.app) if "{" in route.path]
    assert len(named_in_path) >= 14
    return [*named_in_path, *NAMED_ELSEWHERE]


async def own(backend: Backend, provider: ScriptedProvider, user_id: str) -> tuple[Mapping[str, str], Call]:
    """One of each kind of things: a conversation with a file that waits for approval, and a stream under way."""
    user = backend.user(user_id)
    paused = (await send_files(user, f"A secret of {user_id}.", CSV, streaming=True)).json
    model = await asked(provider, f"A secret of {user_id}.")
    model.use("a", "query")
    model.finish()
    assert (await user.get(f"/stream/{paused['stream_id']}")).events[-1].data["done"]
    [question, approval] = await user.messages(paused["session_id"])
    owned = {
        "session_id": paused["session_id"],
        "attachment_id": question["attachments"][0]["id"],
        "request_id": approval["id"],
        "stream_id": (await user.ask(f"Another of {user_id}."))["stream_id"],
    }
    return owned, await asked(provider, f"Another of {user_id}.")


async def asked(provider: ScriptedProvider, message: str) -> Call:
    """The call that answers this message; others may be waiting from before."""
    while message not in text_of((model := await provider.asked()).request.messages[-1].parts):
        pass
    return model


async def call(caller: Caller, route: Route, ids: Mapping[str, str]) -> Answer:
    headers = {"X-Request-ID": "same"}
    body: dict[str, Any] = dict(BODY)
    if route.path.endswith("/send"):
        body["attachments"] = [{"id": ids["attachment_id"]}]
    path = route.of(ids) + ("?streaming=true" if route.method == "POST" else "")
    if route.path.endswith("/send-with-files"):
        form = FormData({"message": f"[APPROVE_TOOLS:{ids['request_id']}]"}, default_to_multipart=True)
        return await caller.call(route.method, path, headers=headers, data=form)
    return await caller.call(route.method, path, headers=headers, json=body)


async def test_foreign_is_missing_on_every_route(scripted: Backend, provider: ScriptedProvider) -> None:
    owned, generating = await own(scripted, provider, "1")
    owner, other = scripted.user("1"), scripted.user("2", prefix="")
    missing = dict.fromkeys(owned, MISSING)

    async def state() -> object:
        return scripted.rows(), (await owner.get("/sessions")).body, await owner.messages(owned["session_id"])

    before = await state()

    for route in routes_with_ids(scripted):
        foreign = await call(other, route, owned)

        assert foreign.status == 404, route
        assert seen(foreign) == seen(await call(other, route, missing)), route

    assert await state() == before
    assert not generating.left.is_set()


async def test_the_owner_reaches_the_same_routes(scripted: Backend, provider: ScriptedProvider) -> None:
    for number, route in enumerate(routes_with_ids(scripted), 1):
        owned, generating = await own(scripted, provider, str(number))
        generating.finish()

        assert (await call(scripted.user(str(number), prefix=""), route, owned)).status == 200, route


async def test_half_an_own_path_does_not_open_the_other_half(scripted: Backend, provider: ScriptedProvider) -> None:
    foreign, _generating = await own(scripted, provider, "1")
    owned, _generating = await own(scripted, provider, "2")
    [decide] = [route for route in routes_of(scripted.service.app) if route.path.count("{") > 1]

    for ids in ({**owned, "request_id": foreign["request_id"]}, {**owned, "session_id": foreign["session_id"]}):
        assert (await call(scripted.user("2", prefix=""), decide, ids)).status == 404


async def test_lists_show_only_one_s_own(backend: Backend) -> None:
    for user_id in ("1", "2", "11"):
        await backend.user(user_id).post("/send", {"message": f"I am {user_id}", "session_id": "shared"})

    [listed] = (await backend.user("1").get("/sessions")).json["sessions"]
    assert listed["user_id"] == "1"
    assert (await backend.user("3").get("/sessions")).json["pagination"]["total"] == 0
    assert (await backend.user("1").get("/sessions?q=I+am+11")).json["pagination"]["total"] == 0
    assert (await backend.user("3").get("/usage")).json == {"usage": []}


async def test_deleting_a_session_leaves_another_user_s_of_the_same_id(backend: Backend) -> None:
    for user_id in ("1", "2"):
        await backend.user(user_id).post("/send", {"message": "Why?", "session_id": "shared"})

    await backend.user("1").delete("/sessions/shared/messages")
    await backend.user("1").delete("/sessions/shared")

    assert len(await backend.user("2").messages("shared")) == 2


async def test_erasing_oneself_leaves_all_others(scripted: Backend, provider: ScriptedProvider) -> None:
    owned, generating = await own(scripted, provider, "1")
    await own(scripted, provider, "2")
    before = (await scripted.user("1").get("/sessions")).body

    assert (await scripted.user("2").delete("/me")).status == 200

    assert (await scripted.user("1").get("/sessions")).body == before
    assert (await scripted.user("1").get(f"/attachments/{owned['attachment_id']}")).body == CSV.data
    assert not generating.left.is_set()
