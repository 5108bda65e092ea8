"""What a person sees of a provider that fails, and what they never see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec import structs

from aichat_backend.config.providers import ProviderName
from aichat_backend.config.secrets import Secret
from aichat_backend.config.settings import Settings
from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers import openai
from fakes.backend import Answer, Backend, running_backend
from fakes.contract import assert_error
from fakes.fake_openai import FakeOpenAI, fake_openai
from fakes.openai_wire import DONE, Act, Reply, answer, chunk, failure, hang, sse, text
from fakes.scripted import ScriptedProvider

pytestmark = pytest.mark.thorough

KEY = "sk-proj-canary-0123456789abcdef"
BODY_CANARY = "upstream-body-canary"

STATUS = {
    ProviderFailure.NOT_CONFIGURED: 503,
    ProviderFailure.AUTH: 502,
    ProviderFailure.RATE_LIMITED: 503,
    ProviderFailure.OVERLOADED: 503,
    ProviderFailure.CONTEXT_LENGTH: 422,
    ProviderFailure.CONTENT_FILTER: 422,
    ProviderFailure.BAD_REQUEST: 502,
    ProviderFailure.UNAVAILABLE: 502,
    ProviderFailure.TIMEOUT: 504,
    ProviderFailure.PROTOCOL: 502,
}


@pytest.mark.parametrize("kind", list(ProviderFailure))
async def test_every_failure_has_its_status_and_one_safe_sentence(
    scripted: Backend, provider: ScriptedProvider, kind: ProviderFailure
) -> None:
    asked = await scripted.user().ask()
    (await provider.asked()).fail(ProviderError(kind, f"detail with {BODY_CANARY}", retry_after=7))
    [event] = (await scripted.user().get(f"/stream/{asked['stream_id']}")).events
    whole = await failing_send(scripted, provider, ProviderError(kind, f"detail with {BODY_CANARY}", retry_after=7))

    assert event.data == {"type": "error", "session_id": asked["session_id"], "error": whole.json["error"]}
    assert_error(whole, STATUS[kind], f"provider_{kind}")
    assert whole.headers["Retry-After"] == "7"
    assert BODY_CANARY not in whole.json["error"]


async def failing_send(backend: Backend, provider: ScriptedProvider, error: Exception, said: str = "") -> Answer:
    sending = asyncio.create_task(backend.user().post("/send", {"message": "Why?", "session_id": "sent"}))
    call = await provider.asked()
    if said:
        call.say(said)
    call.fail(error)
    return await sending


async def test_what_was_said_before_a_failure_is_kept_and_marked(scripted: Backend, provider: ScriptedProvider) -> None:
    asked = await scripted.user().ask()
    call = await provider.asked()
    call.say("Half an", " answer")
    call.fail(ProviderError(ProviderFailure.UNAVAILABLE, "cut"))

    events = (await scripted.user().get(f"/stream/{asked['stream_id']}")).events

    assert [event.data["type"] for event in events] == ["message", "message", "error"]
    kept = (await scripted.user().messages(asked["session_id"]))[-1]
    assert (kept["role"], kept["content"]) == ("assistant", "Half an answer\n\n[interrupted: the AI provider failed]")


async def test_without_streaming_half_an_answer_is_a_failure_too_and_kept(
    scripted: Backend, provider: ScriptedProvider
) -> None:
    whole = await failing_send(scripted, provider, ProviderError(ProviderFailure.TIMEOUT, "idle"), said="Half")

    assert_error(whole, 504, "provider_timeout")
    assert (await scripted.user().messages("sent"))[-1]["content"].startswith("Half\n\n[interrupted")


async def test_a_failure_before_the_first_word_leaves_only_the_question(
    scripted: Backend, provider: ScriptedProvider
) -> None:
    await failing_send(scripted, provider, ProviderError(ProviderFailure.UNAVAILABLE, "down"))

    assert [message["role"] for message in await scripted.user().messages("sent")] == ["user"]


async def test_a_provider_that_breaks_its_promises_is_an_internal_error(
    scripted: Backend, provider: ScriptedProvider
) -> None:
    whole = await failing_send(scripted, provider, ZeroDivisionError(BODY_CANARY), said="Half")

    assert_error(whole, 500, "internal_error")
    assert BODY_CANARY.encode() not in whole.body
    assert (await scripted.user().messages("sent"))[-1]["content"].startswith("Half")


@pytest.mark.parametrize("said", [(), (" ",), ("\n", "\t ")])
async def test_an_answer_without_a_visible_word_is_a_failure(
    scripted: Backend, provider: ScriptedProvider, said: tuple[str, ...]
) -> None:
    asked = await scripted.user().ask()
    call = await provider.asked()
    call.think("Nothing comes to mind.")
    call.say(*said)
    call.finish()

    events = (await scripted.user().get(f"/stream/{asked['stream_id']}")).events

    assert events[-1].data["type"] == "error"
    assert scripted.rows()["messages"] == 1


async def test_a_provider_without_its_key_takes_no_questions(scripted: Backend, provider: ScriptedProvider) -> None:
    provider.trouble = f"Set AICHAT_API_KEY, {BODY_CANARY}"

    for path in ("/send", "/send?streaming=true"):
        refused = await scripted.user().post(path, {"message": "Why?"})
        assert_error(refused, 503, "provider_not_configured", "administrator")
        assert BODY_CANARY not in refused.json["error"]
    assert_error(await scripted.user().get("/stream?message=Why"), 503, "provider_not_configured")
    assert scripted.rows() == {"sessions": 0, "messages": 0}


async def test_after_a_failure_the_session_goes_on(scripted: Backend, provider: ScriptedProvider) -> None:
    await failing_send(scripted, provider, ProviderError(ProviderFailure.UNAVAILABLE, "down"))

    again = await scripted.user().ask("And now?", "sent")
    call = await provider.asked()
    call.say("Yes.")
    call.finish()
    await scripted.user().get(f"/stream/{again['stream_id']}")

    [message] = call.request.messages
    assert message.parts[0].text == "Why?\n\nAnd now?"
    assert [kept["role"] for kept in await scripted.user().messages("sent")] == ["user", "user", "assistant"]


@pytest.fixture
async def upstream() -> AsyncIterator[FakeOpenAI]:
    async with fake_openai() as fake:
        yield fake


def pointed_at(settings: Settings, base_url: str, **changes: Any) -> Settings:
    reached = {"llm_provider": ProviderName.OPENAI, "llm_base_url": base_url, "api_key": Secret(KEY)}
    impatient = {"llm_first_byte_timeout": 0.2, "llm_idle_timeout": 0.2}
    return structs.replace(settings, **{**reached, **impatient, **changes})


PARTIAL = (chunk({"role": "assistant", "content": ""}), text("Half"), text(" an answer"))
WIRE: dict[str, tuple[Reply, int, str, bool]] = {
    "key refused": (failure(401, f"Bad key {KEY} {BODY_CANARY}", code="invalid_api_key"), 502, "provider_auth", False),
    "not allowed": (failure(403, BODY_CANARY), 502, "provider_auth", False),
    "unknown model": (failure(404, BODY_CANARY, code="model_not_found"), 502, "provider_bad_request", False),
    "not accepted": (failure(400, BODY_CANARY), 502, "provider_bad_request", False),
    "too long": (failure(400, BODY_CANARY, code="context_length_exceeded"), 422, "provider_context_length", False),
    "too many": (failure(429, BODY_CANARY, headers={"Retry-After": "33"}), 503, "provider_rate_limited", False),
    "broken": (failure(500, BODY_CANARY, headers={"x-should-retry": "false"}), 502, "provider_unavailable", False),
    "not JSON": (Reply((b"<html>" + BODY_CANARY.encode(),)), 502, "provider_protocol", False),
    "empty": (answer(), 502, "provider_protocol", False),
    "nothing at all": (Reply((b"",)), 502, "provider_protocol", False),
    "silent": (hang(), 504, "provider_timeout", False),
    "silent in the middle": (Reply((*PARTIAL, Act.HANG)), 504, "provider_timeout", True),
    "cut off": (Reply((*PARTIAL, Act.DROP)), 502, "provider_unavailable", True),
    "truncated": (Reply(PARTIAL), 502, "provider_protocol", True),
    "fails in the middle": (
        Reply((*PARTIAL, sse({"error": {"message": BODY_CANARY, "type": "server_error"}}), DONE)),
        502,
        "provider_unavailable",
        True,
    ),
}


@pytest.mark.parametrize("name", WIRE)
async def test_an_openai_that_fails(
    settings: Settings, upstream: FakeOpenAI, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    reply, status, code, partial = WIRE[name]
    upstream.script(reply)

    async with running_backend(pointed_at(settings, upstream.base_url)) as backend:
        user = backend.user()
        whole = await user.post("/send", {"message": "Why?", "session_id": "whole"})
        asked = await user.ask("Why?", "streamed")
        streamed = await user.get(f"/stream/{asked['stream_id']}")
        histories = [await user.messages(session_id) for session_id in ("whole", "streamed")]
        metrics = await user.get("/metrics")
        stored = backend.stored_bytes()

    assert_error(whole, status, code)
    assert [event.data["type"] for event in streamed.events] == [*(["message"] * 2 * partial), "error"]
    for history in histories:
        assert [message["content"] for message in history[1:]] == (
            ["Half an answer\n\n[interrupted: the AI provider failed]"] if partial else []
        )
    everything_shown = whole.body + streamed.body + metrics.body + stored
    assert KEY.encode() not in everything_shown + capsys.readouterr().out.encode()
    assert BODY_CANARY.encode() not in everything_shown
    assert whole.headers.get("Retry-After") == ("33" if name == "too many" else None)


async def test_an_openai_that_is_not_there(
    settings: Settings, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai, "MAX_RETRIES", 0)
    down_there = pointed_at(settings, f"http://127.0.0.1:{unused_tcp_port}/v1", llm_first_byte_timeout=5)
    async with running_backend(down_there) as backend:
        down = await backend.user().post("/send", {"message": "Why?"})

    assert_error(down, 502, "provider_unavailable")


async def test_an_openai_that_answers(settings: Settings, upstream: FakeOpenAI) -> None:
    async with running_backend(pointed_at(settings, upstream.base_url)) as backend:
        first = (await backend.user().post("/send", {"message": "Hello?"})).json
        await backend.user().post("/send", {"message": "Again?", "session_id": first["session_id"]})

    assert first["message"]["content"] == "Hello there."
    assert first["message"]["usage"] == {"input_tokens": 11, "output_tokens": 7}
    spoken = [(message["role"], message["content"]) for message in upstream.last.body["messages"]]
    assert spoken[1:] == [("user", "Hello?"), ("assistant", "Hello there."), ("user", "Again?")]
