"""`/health`, `/ready` and `/metrics`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from msgspec import structs
from prometheus_client.parser import text_string_to_metric_families

from aichat_backend import __version__
from aichat_backend.api import operations
from aichat_backend.chat.parts import Usage
from aichat_backend.config.providers import ProviderName
from aichat_backend.config.settings import Settings
from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.storage.database import Database
from aichat_backend.storage.errors import DatabaseUnavailable
from fakes.backend import Backend, Caller, running_backend
from fakes.contract import INSTANT
from fakes.scripted import ScriptedProvider
from fakes.toolbox import FakeToolbox


@pytest.fixture
async def keyless(settings: Settings) -> AsyncIterator[Backend]:
    """With a provider that lacks its key."""
    async with running_backend(structs.replace(settings, llm_provider=ProviderName.OPENAI)) as backend:
        yield backend


async def measured(backend: Backend) -> dict[tuple[str, tuple[str, ...]], float]:
    """Samples by name and label values."""
    answer = await backend.user(None, prefix="").get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.body.decode())
    return {
        (sample.name, tuple(sample.labels.values())): sample.value for family in families for sample in family.samples
    }


@pytest.mark.parametrize("path", ["/health", "/v1/chat/health"])
async def test_health_tells_that_all_is_well(backend: Backend, path: str) -> None:
    answer = await backend.user(None, prefix="").get(path)

    assert answer.status == 200
    assert answer.json.keys() == {"status", "timestamp", "version"}
    assert (answer.json["status"], answer.json["version"]) == ("ok", __version__)
    assert INSTANT.fullmatch(answer.json["timestamp"])


async def test_ready_has_one_line_for_each_dependency(backend: Backend) -> None:
    answer = await backend.user(None).get("/ready")

    assert answer.status == 200
    assert answer.json == {"status": "ready", "checks": {"database": "ok", "provider": "ok", "tools": "ok"}}


async def test_tool_servers_in_trouble_are_told_and_keep_nobody_from_asking(settings: Settings) -> None:
    toolbox = FakeToolbox(trouble="1 of 2 tool servers does not answer: files")
    async with running_backend(settings, toolbox=toolbox) as backend:
        ready = await backend.user(None).get("/ready")
        health = await backend.user(None).get("/health")

    assert (ready.status, ready.json["status"]) == (200, "ready")
    assert ready.json["checks"]["tools"] == "1 of 2 tool servers does not answer: files"
    assert health.json["status"] == "ok"


async def test_without_a_key_the_service_lives_degraded_and_is_not_ready(keyless: Backend) -> None:
    health = await keyless.user(None).get("/health")
    ready = await keyless.user(None).get("/ready")

    assert (health.status, health.json["status"]) == (200, "degraded")
    assert (ready.status, ready.json["status"], ready.json["checks"]["database"]) == (503, "not ready", "ok")
    assert "AICHAT_API_KEY" in ready.json["checks"]["provider"]


async def test_without_its_database_the_service_lives_degraded_and_is_not_ready(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: Database) -> None:
        raise DatabaseUnavailable("canary: disk I/O error")

    monkeypatch.setattr(Database, "ping", fail)

    health = await backend.user(None).get("/health")
    ready = await backend.user(None).get("/ready")

    assert (health.status, health.json["status"]) == (200, "degraded")
    assert (ready.status, ready.json["status"], ready.json["checks"]["provider"]) == (503, "not ready", "ok")
    assert b"canary" not in ready.body + health.body


async def test_a_database_that_does_not_even_give_up_is_reported_in_time(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = asyncio.Event()

    async def hang(_: Database) -> None:
        while not answers.is_set():
            with suppress(asyncio.CancelledError):
                await answers.wait()

    monkeypatch.setattr(Database, "ping", hang)
    monkeypatch.setattr(operations, "_CHECK_SECONDS", 0.01)

    try:
        ready = await backend.user(None).get("/ready")
    finally:
        answers.set()

    assert (ready.status, ready.json["checks"]["provider"]) == (503, "ok")
    assert ready.json["checks"]["database"].startswith("no answer within")


async def test_requests_are_counted_by_route_and_not_by_path(backend: Backend) -> None:
    for session_id in ("one", "two"):
        await backend.user().get(f"/sessions/{session_id}")
    await backend.user(prefix="").get("/nothing/of/this/name")

    counted = await measured(backend)

    assert counted["aichat_http_requests_total", ("GET", "/v1/chat/sessions/{session_id}", "404")] == 2
    assert counted["aichat_http_requests_total", ("GET", "unknown", "404")] == 1


async def test_runs_tokens_and_waiting_are_measured(scripted: Backend, provider: ScriptedProvider) -> None:
    asked = await scripted.user().ask()
    call = await provider.asked()
    reader = await scripted.user().follow(asked["stream_id"])
    call.say("Because", " so.")
    await reader.event()
    during = await measured(scripted)
    call.finish(Usage(input_tokens=5, output_tokens=7))
    await reader.rest()
    after = await measured(scripted)

    assert (during["aichat_runs_active", ()], during["aichat_stream_readers", ()]) == (1, 1)
    assert after["aichat_runs_active", ()] == 0
    assert after["aichat_runs_total", ("complete",)] == 1
    assert after["aichat_tokens_total", ("input",)] == 5
    assert after["aichat_tokens_total", ("output",)] == 7
    assert after["aichat_first_text_seconds_count", ()] == 1


async def test_provider_failures_are_counted_by_class(scripted: Backend, provider: ScriptedProvider) -> None:
    asked = await scripted.user().ask()
    (await provider.asked()).fail(ProviderError(ProviderFailure.RATE_LIMITED, "slow down"))
    await (await scripted.user().follow(asked["stream_id"])).rest()

    counted = await measured(scripted)

    assert counted["aichat_provider_failures_total", ("rate_limited",)] == 1
    assert counted["aichat_runs_total", ("failed",)] == 1


async def test_answers_do_not_tell_what_the_server_is_built_from(user: Caller) -> None:
    for answer in (await user.get("/health"), await user.get("/sessions"), await user.get("/nothing")):
        assert answer.headers["Server"] == "aichat-backend"


async def test_a_request_id_of_the_proxy_is_kept_and_nonsense_replaced(user: Caller) -> None:
    kept = await user.get("/nothing", headers={"X-Request-ID": "abc-123_X"})
    replaced = await user.get("/nothing", headers={"X-Request-ID": "a b"})

    assert (kept.json["request_id"], kept.headers["X-Request-ID"]) == ("abc-123_X", "abc-123_X")
    assert replaced.json["request_id"] != "a b"
