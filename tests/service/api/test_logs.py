"""What the log says of requests, and what it keeps to itself."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest
from msgspec import structs

from aichat_backend.chat.tools import ToolOutcome, ToolPolicy
from aichat_backend.config.providers import ProviderName
from aichat_backend.config.secrets import Secret
from aichat_backend.config.settings import Settings
from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.storage.errors import DatabaseUnavailable
from aichat_backend.telemetry import logs
from fakes.backend import Backend, eventually, running_backend
from fakes.fake_openai import fake_openai
from fakes.logs import configure_for_tests
from fakes.openai_wire import answer, failure
from fakes.raw_http import exchange
from fakes.scripted import ScriptedProvider
from fakes.toolbox import FakeToolbox, tool

KEY = "sk-proj-canary-0123456789abcdef"
QUESTION, ANSWER, TITLE, CONTEXT = "question-canary", "answer-canary", "title-canary", "context-canary"


@pytest.fixture(autouse=True)
def log() -> Iterator[io.StringIO]:
    """What is logged at INFO and above, by libraries too."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("info", secrets=[KEY], stream=stream)
    yield stream
    configure_for_tests()
    root.handlers[:], root.level = handlers, level


@pytest.fixture
async def logged(settings: Settings, provider: ScriptedProvider) -> AsyncIterator[Backend]:
    async with running_backend(settings, provider) as backend:
        yield backend


def lines(log: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


async def test_messages_titles_and_keys_are_never_logged(log: io.StringIO, settings: Settings) -> None:
    async with fake_openai() as upstream:
        upstream.script(answer(ANSWER), failure(401, f"Bad key {KEY}", code="invalid_api_key"))
        openai = {"llm_provider": ProviderName.OPENAI, "llm_base_url": upstream.base_url, "api_key": Secret(KEY)}
        async with running_backend(structs.replace(settings, **openai)) as backend:
            user = backend.user()
            body = {"message": QUESTION, "session_id": "logged", "context": {"page": CONTEXT}}
            await user.post("/send", body)
            await user.post("/send", body)
            await user.get("/stream", params={"message": QUESTION})
            await user.post("/sessions", {"title": TITLE})
            await user.call("PUT", "/sessions/logged", json={"title": TITLE})
            await user.post("/send", {"message": QUESTION, "session_id": 5})
            await user.post("/send", {"message": QUESTION, "attachments": [QUESTION]})

    written = log.getvalue()
    assert "run_ended" in written
    assert "provider_failed" in written
    for canary in (KEY, QUESTION, ANSWER, TITLE, CONTEXT):
        assert canary not in written


async def test_what_tools_are_given_and_return_is_never_logged_nor_measured(
    settings: Settings, provider: ScriptedProvider, log: io.StringIO
) -> None:
    async def answer_in_secret(_arguments: Mapping[str, Any]) -> ToolOutcome:
        return ToolOutcome("result-canary")

    tools = FakeToolbox([tool("query", policy=ToolPolicy.AUTO)], {"query": answer_in_secret})
    async with running_backend(settings, provider, tools) as backend:
        asked = await backend.user().ask()
        using = await provider.asked()
        using.use("a", "query", '{"sql": "argument-canary"}')
        using.finish()
        (await provider.asked()).finish()
        events = (await backend.user().get(f"/stream/{asked['stream_id']}")).events
        probes = [await backend.user(None, prefix="").get(path) for path in ("/metrics", "/health", "/ready")]

    assert tools.calls == [("query", {"sql": "argument-canary"}, "1")]
    assert "result-canary" in json.dumps([event.data for event in events])
    assert b"aichat_" in probes[0].body
    assert [probe for probe in probes if b"canary" in probe.body] == []
    assert "run_ended" in log.getvalue()
    assert "canary" not in log.getvalue()


async def test_each_request_is_one_line_under_its_id(logged: Backend, log: io.StringIO) -> None:
    await logged.user().get("/sessions/secret-looking-id", headers={"X-Request-ID": "abc"})
    await eventually(lambda: '"request"' in log.getvalue())

    [line] = [line for line in lines(log) if line["event"] == "request"]
    assert (line["method"], line["route"], line["status"]) == ("GET", "/v1/chat/sessions/{session_id}", 404)
    assert line["request_id"] == "abc"


async def test_a_request_answered_right_before_the_end_is_one_line_too(
    settings: Settings, provider: ScriptedProvider, log: io.StringIO
) -> None:
    async with running_backend(settings, provider) as backend:
        await backend.user().get("/sessions", headers={"X-Request-ID": "last"})

    assert [line["request_id"] for line in lines(log) if line["event"] == "request"] == ["last"]


async def test_a_reader_who_leaves_is_one_line_too(logged: Backend, log: io.StringIO) -> None:
    asked = await logged.user().ask()
    response = await logged.user().open("GET", f"/stream/{asked['stream_id']}")
    response.close()
    await eventually(lambda: "{stream_id}" in log.getvalue())

    [line] = [line for line in lines(log) if line.get("route") == "/v1/chat/stream/{stream_id}"]
    assert (line["level"], line["event"], line["status"]) == ("info", "request", 499)


async def test_a_run_is_logged_under_the_request_that_asked(
    logged: Backend, provider: ScriptedProvider, log: io.StringIO
) -> None:
    await logged.user().post("/send?streaming=true", {"message": "Why?"}, headers={"X-Request-ID": "asking"})
    (await provider.asked()).fail(ProviderError(ProviderFailure.AUTH, "what the provider said"))
    await logged.service.assistant.drain(1)

    by_event = {line["event"]: line for line in lines(log)}
    assert by_event["provider_failed"]["detail"] == "what the provider said"
    assert by_event["run_ended"]["status"] == "failed"
    assert by_event["run_ended"]["request_id"] == by_event["provider_failed"]["request_id"] == "asking"


async def test_a_crash_is_logged_with_its_traceback_and_told_without(
    logged: Backend, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise ZeroDivisionError("crash-canary")

    monkeypatch.setattr("aichat_backend.storage.conversations.SqlConversationStore.list_sessions", crash)

    answered = await logged.user().get("/sessions")

    assert (answered.status, answered.json["code"]) == (500, "internal_error")
    assert b"canary" not in answered.body
    [line] = [line for line in lines(log) if line["event"] == "request_crashed"]
    assert "ZeroDivisionError: crash-canary" in str(line["exception"])
    assert line["request_id"] == answered.json["request_id"]


async def test_a_question_refused_while_stopping_is_no_error(logged: Backend, log: io.StringIO) -> None:
    await logged.service.assistant.drain(0)
    refused = await logged.user().post("/send", {"message": QUESTION})

    [line] = [line for line in lines(log) if line["event"] == "request_failed"]
    assert (refused.status, line["level"], line["code"]) == (503, "info", "stopping")
    assert "exception" not in line


async def test_trouble_with_the_database_is_logged_with_its_cause_on_one_line(
    logged: Backend, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("disk I/O error")

    monkeypatch.setattr("aichat_backend.storage.conversations.SqlConversationStore.list_sessions", fail)

    await logged.user().get("/sessions")

    [line] = [line for line in lines(log) if line["event"] == "request_failed"]
    assert (line["level"], line["code"], line["detail"]) == ("warning", "database_unavailable", "disk I/O error")
    assert "exception" not in line


@pytest.mark.parametrize(
    "request_bytes",
    [
        f"GET /health HTTP/1.1\r\nHost: x\r\nBad Header: {QUESTION}\r\n\r\n",
        f"GET /{QUESTION} HTTP/1.1\nHost: x\n\n",
        f"POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{QUESTION}\r\n",
    ],
)
async def test_a_malformed_request_is_one_line_that_quotes_nothing(
    logged: Backend, log: io.StringIO, request_bytes: str
) -> None:
    answer = await exchange(logged, request_bytes.encode())

    assert answer.status == 400
    [line] = lines(log)
    assert (line["level"], line["event"]) == ("info", "malformed_request")
    assert QUESTION not in log.getvalue()
    assert "exception" not in line
