"""nginx's question who calls, where the service asks Grafana."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec import structs

from aichat_backend.config.secrets import Secret
from aichat_backend.config.settings import Settings
from aichat_backend.login.credentials import Credentials
from fakes.backend import Answer, Backend, eventually, running_backend
from fakes.contract import assert_error
from fakes.fake_grafana import FakeGrafana, by_cookie, by_password, by_token, fake_grafana, hanging, replying
from fakes.raw_http import exchange

ALICE, BOB = by_cookie("of-alice"), by_cookie("of-bob")


@pytest.fixture
async def grafana() -> AsyncIterator[FakeGrafana]:
    async with fake_grafana() as fake:
        yield fake


@pytest.fixture
def asking(settings: Settings, grafana: FakeGrafana) -> Settings:
    """A service that asks Grafana who calls, and remembers it for longer than a test takes."""
    return structs.replace(settings, identity="grafana", grafana_url=grafana.url, grafana_cache_seconds=60)


@pytest.fixture
async def backend(asking: Settings) -> AsyncIterator[Backend]:
    async with running_backend(asking) as backend:
        yield backend


async def ask(backend: Backend, credentials: Credentials, **headers: Any) -> Answer:
    return await backend.user(None, prefix="").get("/caller", headers=credentials.headers | headers)


@pytest.mark.parametrize(
    ("credentials", "user_id"),
    [(ALICE, "11"), (by_password("alice", "pässword"), "11"), (BOB, "12"), (by_token("glsa_robot"), "21")],
)
async def test_the_answer_is_the_user_s_id(backend: Backend, credentials: Credentials, user_id: str) -> None:
    answer = await ask(backend, credentials)

    assert (answer.status, answer.headers["X-User-ID"], answer.body) == (204, user_id, b"")
    assert answer.headers["Cache-Control"] == "no-store"


async def test_an_id_that_the_client_claims_counts_nothing(backend: Backend) -> None:
    forged = {"X-User-ID": "12"}

    assert (await ask(backend, ALICE, **forged)).headers["X-User-ID"] == "11"
    answer = await ask(backend, Credentials(), **forged)
    assert_error(answer, 401, "unauthenticated")
    assert "X-User-ID" not in answer.headers


async def test_two_users_who_ask_in_turns_and_at_once_are_never_mixed(backend: Backend, grafana: FakeGrafana) -> None:
    for _ in range(3):
        answers = await asyncio.gather(*(ask(backend, each) for each in (ALICE, BOB) * 10))
        assert [answer.headers["X-User-ID"] for answer in answers] == ["11", "12"] * 10

    assert sorted(grafana.paths) == ["user", "user", "user/orgs"]


async def test_somebody_who_logs_in_is_known_at_once(backend: Backend, grafana: FakeGrafana) -> None:
    grafana.forgets(ALICE)
    assert_error(await ask(backend, ALICE), 401, "unauthenticated")
    grafana.knows(ALICE, grafana.accounts[Credentials("pmm_session=of-bob")])

    assert (await ask(backend, ALICE)).headers["X-User-ID"] == "12"


@pytest.mark.parametrize(
    "broken", [hanging, replying(500), replying(200, b"<html>")], ids=["slow", "broken", "nonsense"]
)
async def test_a_grafana_that_fails_is_told_and_nobody_is_let_in(
    asking: Settings, grafana: FakeGrafana, broken: Any
) -> None:
    grafana.instead["user"] = broken
    async with running_backend(structs.replace(asking, grafana_timeout=0.5)) as backend:
        answer = await ask(backend, ALICE)

        assert_error(answer, 503, "login_unavailable")
        assert answer.headers["Retry-After"] == "5"
        assert "X-User-ID" not in answer.headers
        assert grafana.url not in answer.json["error"]
        del grafana.instead["user"]
        assert (await ask(backend, ALICE)).headers["X-User-ID"] == "11"


async def test_who_left_before_the_answer_does_no_harm(backend: Backend, grafana: FakeGrafana) -> None:
    grafana.instead["user"] = hanging
    leaving = asyncio.create_task(ask(backend, ALICE))
    await grafana.arrived.wait()
    leaving.cancel()
    await asyncio.wait({leaving})
    del grafana.instead["user"]

    assert (await ask(backend, BOB)).headers["X-User-ID"] == "12"


@pytest.mark.parametrize("trace", ["X-Forwarded-For", "X-Real-IP", "Forwarded"])
async def test_the_world_has_no_such_path(backend: Backend, grafana: FakeGrafana, trace: str) -> None:
    assert_error(await ask(backend, ALICE, **{trace: "192.0.2.1"}), 404, "not_found")
    assert (await backend.user("1").get("/caller")).status == 404
    assert grafana.asked == []


async def test_a_proxy_elsewhere_is_known_by_its_secret(asking: Settings) -> None:
    guarded = structs.replace(asking, proxy_secret=Secret("proxy-canary"))
    async with running_backend(guarded) as backend:
        assert_error(await ask(backend, ALICE), 403, "forbidden")
        answer = await ask(backend, ALICE, **{"X-AIChat-Proxy-Secret": "proxy-canary", "X-Forwarded-For": "192.0.2.1"})

        assert answer.headers["X-User-ID"] == "11"


@pytest.mark.parametrize(
    "lines",
    [
        b"Authorization: Bearer glsa_robot\r\nAuthorization: Bearer glsa_robot\r\n",
        b"Authorization: Bearer \xff\xfe\r\n",
        b"Cookie: pmm_session=of-alice\xff\r\n",
    ],
    ids=["doubled", "no text", "no text in a cookie"],
)
async def test_what_cannot_be_a_login_is_none(backend: Backend, grafana: FakeGrafana, lines: bytes) -> None:
    answer = await exchange(backend, b"GET /caller HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n")

    assert_error(answer, 401, "unauthenticated")
    assert grafana.asked == []


async def test_cookies_may_come_in_several_headers_and_be_long(backend: Backend) -> None:
    head = b"GET /caller HTTP/1.1\r\nHost: x\r\nCookie: other=" + b"a" * 40_000 + b"\r\nCookie: pmm_session=of-bob\r\n"

    async with asyncio.timeout(5):
        answer = await exchange_without_body(backend, head + b"\r\n")

    assert answer == ("204", "12")


async def exchange_without_body(backend: Backend, request: bytes) -> tuple[str, str]:
    """Status and user id of an answer that has no body and no length."""
    reader, writer = await asyncio.open_connection(backend.client.host, backend.client.port)
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
    writer.close()
    headers = dict(line.split(": ", 1) for line in head[1:] if line)
    return head[0].split()[1], headers["X-User-ID"]


async def test_ready_says_whether_grafana_answers(backend: Backend, grafana: FakeGrafana) -> None:
    anybody = backend.user(None, prefix="")
    assert (await anybody.get("/ready")).json["checks"]["login"] == "ok"

    grafana.instead["health"] = replying(500)
    answer = await anybody.get("/ready")

    assert answer.status == 503
    assert answer.json["checks"]["login"] == f"Grafana at {grafana.url}: api/health answered 500"
    assert (await anybody.get("/health")).json["status"] == "degraded"


async def test_the_document_says_what_nginx_gets(backend: Backend) -> None:
    document = (await backend.user("1").get("/openapi.json")).json

    assert document["paths"]["/caller"]["get"]["responses"].keys() == {"204", "401", "403", "404", "503"}


async def test_where_pmm_tells_who_calls_there_is_no_such_path(settings: Settings) -> None:
    async with running_backend(settings) as backend:
        assert_error(await ask(backend, ALICE), 401, "unauthenticated")
        assert_error(await backend.user("1", prefix="").get("/caller"), 404, "not_found")


async def test_questions_under_way_do_not_hold_up_the_end(asking: Settings, grafana: FakeGrafana) -> None:
    grafana.instead["user"] = hanging
    async with running_backend(structs.replace(asking, grafana_timeout=60)) as backend:
        waiting = asyncio.create_task(ask(backend, ALICE))
        await eventually(grafana.arrived.is_set)
    await asyncio.wait({waiting})
    assert waiting.exception() is not None
