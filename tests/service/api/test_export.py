"""`GET /sessions/{id}/export`: the whole conversation as a file."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
from aiohttp import ClientError
from structlog.testing import capture_logs

from aichat_backend.api import export
from aichat_backend.api.export import Export
from aichat_backend.chat.conversation import Message, Page
from aichat_backend.chat.parts import TextPart, Usage
from aichat_backend.chat.tools import ToolPolicy
from aichat_backend.config.settings import Settings
from aichat_backend.errors import NotFound, Unavailable
from aichat_backend.storage.conversations import SqlConversationStore
from fakes.backend import Answer, Backend, Caller, running_backend
from fakes.contract import INSTANT, assert_error
from fakes.scripted import ScriptedProvider
from fakes.toolbox import FakeToolbox, tool
from fakes.uploads import CSV, send_files


@pytest.fixture
async def equipped(settings: Settings, provider: ScriptedProvider) -> AsyncIterator[Backend]:
    toolbox = FakeToolbox([tool("query", policy=ToolPolicy.AUTO, read_only=True)])
    async with running_backend(settings, provider, toolbox) as backend:
        yield backend


@pytest.fixture
async def session_id(equipped: Backend, provider: ScriptedProvider) -> str:
    """A conversation with all that a conversation can have."""
    user = equipped.user()
    accepted = (await send_files(user, "What is in it?", CSV, streaming=True)).json
    model = await provider.asked()
    model.think("I should look.")
    model.say("Let me see.")
    model.use("a", "query", '{"sql": "SELECT 1"}')
    model.finish(Usage(1, 2))
    model = await provider.asked()
    model.say("It is **slow**.")
    model.finish(Usage(3, 4))
    await user.get(f"/stream/{accepted['stream_id']}")
    await user.call("PUT", f"/sessions/{accepted['session_id']}", json={"title": "Slow / größer?"})
    return str(accepted["session_id"])


def assert_saved(answer: Answer, name: str, media_type: str) -> None:
    assert answer.status == 200
    assert answer.headers["Content-Type"] == media_type
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    assert answer.headers["Content-Disposition"].endswith(name)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("query", ["", "?format=json", "?format="])
async def test_json_has_everything(equipped: Backend, session_id: str, query: str) -> None:
    answer = await equipped.user().get(f"/sessions/{session_id}/export{query}")

    assert_saved(answer, "filename*=UTF-8''Slow%20-%20gr%C3%B6%C3%9Fer%3F.json", "application/json")
    exported = json.loads(answer.body)
    assert exported["session"]["title"] == "Slow / größer?"
    assert INSTANT.fullmatch(exported["exported_at"])
    question, said = exported["messages"]
    assert [part["type"] for part in question["parts"]] == ["text", "attachment"]
    assert question["parts"][1]["filename"] == "queries.csv"
    assert [part["type"] for part in said["parts"]] == ["reasoning", "text", "tool_call", "tool_result", "text"]
    assert said["parts"][0]["text"] == "I should look."
    assert said["parts"][2]["arguments"] == '{"sql": "SELECT 1"}'
    assert said["parts"][3]["text"] == "query was run"
    assert said["usage"] == {"input_tokens": 4, "output_tokens": 6}


async def test_markdown_is_for_people(equipped: Backend, session_id: str) -> None:
    answer = await equipped.user().get(f"/sessions/{session_id}/export?format=markdown")

    assert_saved(answer, ".md", "text/markdown; charset=utf-8")
    text = answer.body.decode()
    assert text.startswith("# Slow / größer?\n")
    for piece in (
        "What is in it?",
        "`queries.csv`",
        "> I should look.",
        '"sql": "SELECT 1"',
        "query was run",
        "**slow**",
    ):
        assert piece in text


async def test_an_empty_conversation_is_one_too(user: Caller) -> None:
    session_id = (await user.post("/sessions", {"title": "Nothing yet"})).json["id"]

    exported = json.loads((await user.get(f"/sessions/{session_id}/export")).body)
    text = (await user.get(f"/sessions/{session_id}/export?format=markdown")).body.decode()

    assert exported["messages"] == []
    assert text.startswith("# Nothing yet\n")


@pytest.fixture
async def long_session(user: Caller, monkeypatch: pytest.MonkeyPatch) -> str:
    """A conversation that is read in three pages, the last one not full."""
    monkeypatch.setattr(export, "_MESSAGES_AT_ONCE", 4)
    for number in range(5):
        accepted = await user.ask(f"Question {number}", "long")
        await user.get(f"/stream/{accepted['stream_id']}")
    return "long"


def before_the_second_page(monkeypatch: pytest.MonkeyPatch, happen: Callable[[SqlConversationStore], Any]) -> None:
    read = SqlConversationStore.list_messages

    async def list_messages(
        store: SqlConversationStore, user_id: str, session_id: str, *, page: int | None, limit: int
    ) -> Page[Message]:
        if page == 2:
            await happen(store)
        return await read(store, user_id, session_id, page=page, limit=limit)

    monkeypatch.setattr(SqlConversationStore, "list_messages", list_messages)


async def test_the_pages_of_a_long_conversation_are_one_file(user: Caller, long_session: str) -> None:
    body = (await user.get(f"/sessions/{long_session}/export")).body
    text = (await user.get(f"/sessions/{long_session}/export?format=markdown")).body.decode()

    exported = msgspec.json.decode(body, type=Export)
    assert msgspec.json.encode(exported) == body
    asked = [message.parts[0] for message in exported.messages[::2]]
    assert asked == [TextPart(f"Question {number}") for number in range(5)]
    assert len(exported.messages) == 10
    assert [block for block in text.split("\n\n") if block.startswith("Question")] == [
        f"Question {number}" for number in range(5)
    ]
    assert "\n\n\n" not in text


@pytest.mark.parametrize("ending", [NotFound("gone"), Unavailable("away"), ValueError("a bug")])
@pytest.mark.parametrize("format_", ["json", "markdown"])
async def test_an_export_that_breaks_off_does_not_look_like_a_whole_file(
    user: Caller, long_session: str, monkeypatch: pytest.MonkeyPatch, ending: Exception, format_: str
) -> None:
    async def fail(_store: SqlConversationStore) -> None:
        raise ending

    before_the_second_page(monkeypatch, fail)

    with capture_logs() as logs, pytest.raises(ClientError):
        await user.get(f"/sessions/{long_session}/export?format={format_}")

    assert [log["event"] for log in logs].count("export_broken_off") == 1


async def test_a_conversation_that_is_cleared_meanwhile_does_not_look_like_a_whole_file(
    user: Caller, long_session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_the_second_page(monkeypatch, lambda store: store.clear_messages("1", long_session))

    with pytest.raises(ClientError):
        await user.get(f"/sessions/{long_session}/export")


async def test_messages_that_come_meanwhile_are_not_in_it(
    user: Caller, long_session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_the_second_page(monkeypatch, lambda _store: user.ask("Later", long_session))

    exported = (await user.get(f"/sessions/{long_session}/export")).json

    assert len(exported["messages"]) == 10
    assert "Later" not in json.dumps(exported)


async def test_its_head_can_be_had_alone(user: Caller, long_session: str) -> None:
    answer = await user.call("HEAD", f"/sessions/{long_session}/export")

    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("format_", ["pdf", "JSON", "json,markdown", "../json"])
async def test_another_format_is_refused(user: Caller, format_: str) -> None:
    session_id = (await user.post("/sessions")).json["id"]

    assert_error(await user.get(f"/sessions/{session_id}/export?format={format_}"), 400, "invalid_request", "format")
