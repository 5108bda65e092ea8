"""Many questions at once, limits, and clients that leave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from msgspec import structs

from aichat_backend.config.settings import Settings
from aichat_backend.storage.database import Database
from aichat_backend.storage.errors import DatabaseUnavailable
from fakes.assistants import runs_of
from fakes.backend import Backend, eventually, running_backend
from fakes.contract import assert_error
from fakes.raw_http import connected
from fakes.scripted import ScriptedProvider


@pytest.fixture
async def limited(settings: Settings, provider: ScriptedProvider) -> AsyncIterator[Backend]:
    """With at most two answers at once for a user."""
    async with running_backend(structs.replace(settings, max_runs_per_user=2), provider) as backend:
        yield backend


async def test_a_second_question_in_a_busy_session_is_a_conflict(scripted: Backend, provider: ScriptedProvider) -> None:
    user = scripted.user()
    asked = await user.ask("First", "busy")
    call = await provider.asked()

    for path in ("/send", "/send?streaming=true"):
        assert_error(await user.post(path, {"message": "Second", "session_id": "busy"}), 409, "session_busy")
    assert_error(await user.get("/stream?message=Second&session_id=busy"), 409, "session_busy")

    assert [message["content"] for message in await user.messages("busy")] == ["First"]
    call.say("Done.")
    call.finish()
    await user.get(f"/stream/{asked['stream_id']}")
    assert (await user.ask("Second", "busy"))["session_id"] == "busy"


async def test_the_same_session_id_of_another_user_is_not_busy(scripted: Backend) -> None:
    await scripted.user("1").ask("First", "busy")

    assert (await scripted.user("2").ask("First", "busy"))["session_id"] == "busy"


async def test_a_user_may_have_so_many_answers_under_way(limited: Backend) -> None:
    user = limited.user()
    accepted = [await user.ask(f"number {number}") for number in range(2)]

    refused = await user.post("/send", {"message": "One more"})

    assert_error(refused, 429, "too_many_requests")
    assert int(refused.headers["Retry-After"]) > 0
    assert limited.rows() == {"sessions": 2, "messages": 2}
    assert (await limited.user("2").ask("Mine"))["stream_id"]
    await user.delete(f"/stream/{accepted[0]['stream_id']}")
    assert (await user.ask("One more"))["stream_id"]


async def test_racing_questions_in_one_session_give_one_answer(scripted: Backend) -> None:
    body = {"message": "Why?", "session_id": "raced"}

    answers = await asyncio.gather(*(scripted.user().post("/send?streaming=true", body) for _ in range(8)))

    assert sorted(answer.status for answer in answers) == [200] + [409] * 7
    assert scripted.rows() == {"sessions": 1, "messages": 1}


async def test_many_sessions_are_answered_at_once(backend: Backend) -> None:
    async def converse(number: int) -> str:
        user = backend.user(str(1 + number // 4))
        for turn in range(2):
            answer = await user.post("/send", {"message": f"{number}.{turn}", "session_id": f"s{number}"})
            assert answer.status == 200
        content: str = answer.json["message"]["content"]
        return content

    contents = await asyncio.gather(*(converse(number) for number in range(24)))

    for number, content in enumerate(contents):
        assert f"the first one was: {number}.0" in content
    assert backend.rows() == {"sessions": 24, "messages": 96}


@pytest.mark.parametrize("path", ["/send", "/send?streaming=true"])
async def test_a_client_who_leaves_after_asking_has_asked(
    scripted: Backend, provider: ScriptedProvider, path: str
) -> None:
    body = json.dumps({"message": "Why?", "session_id": "left"})
    head = f"POST /v1/chat{path} HTTP/1.1\r\nHost: x\r\nX-User-ID: 1\r\nContent-Type: application/json\r\n"
    async with connected(scripted) as connection:
        connection.send(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        call = await provider.asked()
    call.say("Because.")
    call.finish()

    await eventually(lambda: scripted.rows() == {"sessions": 1, "messages": 2})
    assert not call.left.is_set()


async def test_a_client_who_leaves_while_the_question_is_stored_leaves_all_or_nothing(scripted: Backend) -> None:
    user = scripted.user()
    for number in range(12):
        asking = asyncio.create_task(user.post("/send", {"message": "Why?", "session_id": f"left{number}"}))
        for _ in range(number * 3):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait({asking})

    await scripted.service.assistant.drain(0)

    assert scripted.rows()["messages"] == scripted.rows()["sessions"] == len(runs_of(scripted.service.assistant))


async def test_a_question_that_cannot_be_stored_holds_nothing(
    limited: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = limited.user()

    async def fail(*_: object) -> None:
        raise DatabaseUnavailable("canary: disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", fail)
        for _ in range(3):
            refused = await user.post("/send", {"message": "Why?", "session_id": "kept"})
            assert_error(refused, 503, "database_unavailable")
            assert "canary" not in refused.json["error"]
            assert int(refused.headers["Retry-After"]) > 0

    assert (await user.ask("Why?", "kept"))["session_id"] == "kept"


async def test_an_answer_is_stored_when_the_database_is_back(
    limited: Backend, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = limited.user()
    asked = await user.ask("Why?", "kept")
    call = await provider.asked()
    call.say("Because.")
    attempts: list[object] = []

    async def fail(*attempt: object) -> None:
        attempts.append(attempt)
        raise DatabaseUnavailable("canary: disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", fail)
        call.finish()
        await eventually(lambda: attempts)
        refused = await user.post("/send", {"message": "And?", "session_id": "another"})
        assert_error(refused, 503, "database_unavailable")
    events = (await user.get(f"/stream/{asked['stream_id']}")).events

    assert [event.data["type"] for event in events] == ["message", "done"]
    assert [message["content"] for message in await user.messages("kept")] == ["Why?", "Because."]


async def test_while_stopping_no_question_is_taken(scripted: Backend) -> None:
    await scripted.service.assistant.drain(0)

    refused = await scripted.user().post("/send", {"message": "Why?"})

    assert_error(refused, 503, "stopping")
    assert int(refused.headers["Retry-After"]) > 0
    assert scripted.rows() == {"sessions": 0, "messages": 0}


async def test_answers_cut_off_by_a_stop_say_so(scripted: Backend, provider: ScriptedProvider) -> None:
    user = scripted.user()
    asked = await user.ask()
    call = await provider.asked()
    reader = await user.follow(asked["stream_id"])
    waiting = asyncio.create_task(user.post("/send", {"message": "Wait", "session_id": "waiting"}))
    await provider.asked()
    call.say("Half")
    await reader.event()

    await scripted.service.assistant.drain(0)

    [ending] = await reader.rest()
    assert ending.data["type"] == "error"
    assert "restart" in ending.data["error"]
    assert (await user.messages(asked["session_id"]))[-1]["content"].startswith("Half\n\n[interrupted")
    assert_error(await waiting, 503, "stopping")
