"""Who a caller is, asked of a Grafana over HTTP: whatever goes wrong there lets nobody in."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator

import pytest

from aichat_backend.errors import Forbidden, Unauthenticated
from aichat_backend.login.credentials import Credentials
from aichat_backend.login.grafana import Grafana, GrafanaUnavailable
from fakes.fake_grafana import (
    ALICE,
    Account,
    FakeGrafana,
    Reply,
    breaking_off,
    by_cookie,
    by_password,
    by_token,
    fake_grafana,
    hanging,
    replying,
)
from fakes.program import free_port

SOMEBODY = by_cookie("somebody")


@pytest.fixture
async def fake() -> AsyncIterator[FakeGrafana]:
    async with fake_grafana() as fake:
        yield fake


@pytest.fixture
async def grafana(fake: FakeGrafana) -> AsyncIterator[Grafana]:
    grafana = Grafana(fake.url, seconds=5)
    yield grafana
    await grafana.aclose()


@pytest.mark.parametrize(
    ("credentials", "user_id"),
    [
        (by_cookie("of-alice"), "11"),
        (by_password("alice", "pässword"), "11"),
        (by_cookie("of-bob"), "12"),
        (by_token("glsa_robot"), "21"),
    ],
)
async def test_a_cookie_a_password_and_a_token_name_somebody(
    grafana: Grafana, credentials: Credentials, user_id: str
) -> None:
    assert await grafana.who(credentials) == user_id


@pytest.mark.parametrize(
    "credentials",
    [
        by_cookie("of-nobody"),
        by_password("alice", "wrong"),
        by_token("glsa_wrong"),
        Credentials(authorization="Negotiate abc"),
        Credentials(cookie="theme=dark"),
    ],
)
async def test_what_grafana_does_not_know_is_nobody(grafana: Grafana, credentials: Credentials) -> None:
    with pytest.raises(Unauthenticated):
        await grafana.who(credentials)


async def test_without_credentials_grafana_is_not_asked(grafana: Grafana, fake: FakeGrafana) -> None:
    with pytest.raises(Unauthenticated):
        await grafana.who(Credentials())

    assert fake.asked == []


@pytest.mark.parametrize(
    "account",
    [
        Account(0, uid="anonymous:0"),
        Account(0, uid=""),
        Account(0, uid="api-key:3"),
        Account(0, uid="service-account:0"),
        Account(0, uid="service-account:eeu2x"),
        Account(13, is_disabled=True),
        Account(13, is_admin=True, is_disabled=True),
    ],
    ids=lambda account: f"{account.id} {account.uid}",
)
async def test_who_is_no_enabled_user_or_service_account_is_refused(
    grafana: Grafana, fake: FakeGrafana, account: Account
) -> None:
    fake.knows(SOMEBODY, account)

    with pytest.raises(Unauthenticated):
        await grafana.who(SOMEBODY)


@pytest.mark.parametrize("role", ["Viewer", "Editor", "Admin"])
async def test_every_role_but_none_is_enough(grafana: Grafana, fake: FakeGrafana, role: str) -> None:
    fake.knows(SOMEBODY, Account(13, role))

    assert await grafana.who(SOMEBODY) == "13"


@pytest.mark.parametrize(
    "account",
    [
        Account(13, "None"),
        Account(13, ""),
        Account(13, "Admin", organization=2),
        Account(0, "None", uid="service-account:13"),
        Account(0, "Admin", organization=2, uid="service-account:13"),
    ],
    ids=str,
)
async def test_without_a_role_in_pmm_s_organization_there_is_no_chat(
    grafana: Grafana, fake: FakeGrafana, account: Account
) -> None:
    fake.knows(SOMEBODY, account)

    with pytest.raises(Forbidden):
        await grafana.who(SOMEBODY)


async def test_an_administrator_of_grafana_needs_no_role(grafana: Grafana, fake: FakeGrafana) -> None:
    fake.knows(SOMEBODY, Account(13, "None", is_admin=True))

    assert await grafana.who(SOMEBODY) == "13"


async def test_nothing_of_one_caller_is_sent_for_the_next(grafana: Grafana, fake: FakeGrafana) -> None:
    await grafana.who(by_cookie("of-alice"))
    with pytest.raises(Unauthenticated):
        await grafana.who(by_token("glsa_wrong"))
    await grafana.who(by_password("alice", "pässword"))

    told = [(headers.get("Cookie"), headers.get("Authorization")) for _, headers in fake.asked]
    assert told == [
        ("theme=dark; pmm_session=of-alice", None),
        (None, "Bearer glsa_wrong"),
        (None, by_password("alice", "pässword").authorization),
    ]


@pytest.mark.parametrize("location", ["/graph/login", "http://127.0.0.1/graph/login?redirectTo=%2F", "/login/saml"])
@pytest.mark.parametrize("status", [302, 303, 307])
async def test_being_sent_to_the_login_page_is_not_being_known(
    grafana: Grafana, fake: FakeGrafana, status: int, location: str
) -> None:
    fake.instead["user"] = replying(status, Location=location)

    with pytest.raises(Unauthenticated):
        await grafana.who(by_cookie("of-alice"))
    assert fake.paths == ["user"]


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_in_mid_question_is_one(grafana: Grafana, fake: FakeGrafana, status: int) -> None:
    fake.instead["user/orgs"] = replying(status)

    with pytest.raises(Unauthenticated):
        await grafana.who(by_cookie("of-bob"))


NONSENSE = {
    "an error": replying(500, b'{"message": "Internal"}'),
    "overloaded": replying(429),
    "not there": replying(404, b'{"message": "Not found"}'),
    "no content": replying(204),
    "sent elsewhere": replying(302, Location="/graph/api/user/"),
    "sent to nowhere": replying(302),
    "a page": replying(200, b"<html>"),
    "nothing": replying(200),
    "a list": replying(200, b"[1]"),
    "nobody at all": replying(200, b"{}"),
    "a text for an id": replying(200, b'{"id": "11"}'),
    "a fraction": replying(200, b'{"id": 11.5}'),
    "a negative id": replying(200, b'{"id": -1, "isGrafanaAdmin": true}'),
    "an enormous id": replying(200, b'{"id": 9223372036854775808, "isGrafanaAdmin": true}'),
    "not UTF-8": replying(200, b'{"id": 12, "uid": "\xff", "role": "\xff"}'),
    "a list without an end": replying(200, b'{"id": 12, "teams": ' + b"[" * 100_000),
    "packed": replying(200, gzip.compress(json.dumps(ALICE.profile).encode()), **{"Content-Encoding": "gzip"}),
    "too much": replying(200, json.dumps(ALICE.profile | {"name": "a" * 300_000}).encode()),
    "half of it": breaking_off,
}


@pytest.mark.parametrize("reply", NONSENSE.values(), ids=NONSENSE)
@pytest.mark.parametrize("path", ["user", "user/orgs"])
async def test_nonsense_lets_nobody_in(grafana: Grafana, fake: FakeGrafana, path: str, reply: Reply) -> None:
    fake.instead[path] = reply

    with pytest.raises(GrafanaUnavailable) as caught:
        await grafana.who(by_cookie("of-bob"))

    assert (caught.value.status, caught.value.retry_after) == (503, 5)
    assert caught.value.detail.startswith(f"Grafana at {fake.url}: ")
    assert fake.url not in caught.value.message


@pytest.mark.parametrize("path", ["user", "user/orgs"])
async def test_a_slow_grafana_lets_nobody_in(fake: FakeGrafana, path: str) -> None:
    fake.instead[path] = hanging
    impatient = Grafana(fake.url, seconds=0.05)

    with pytest.raises(GrafanaUnavailable, match="PMM's login cannot be checked") as caught:
        await impatient.who(by_cookie("of-bob"))

    assert caught.value.detail == f"Grafana at {fake.url}: no answer within 0.05 s"
    await impatient.aclose()


async def test_without_a_grafana_nobody_is_let_in() -> None:
    grafana = Grafana(f"http://127.0.0.1:{free_port()}/graph", seconds=5)

    with pytest.raises(GrafanaUnavailable) as caught:
        await grafana.who(by_cookie("of-alice"))

    assert "Cannot connect" in caught.value.detail
    assert "Cannot connect" in str(await grafana.problem())
    await grafana.aclose()


async def test_a_long_cookie_is_sent_on(grafana: Grafana, fake: FakeGrafana) -> None:
    fake.knows(by_cookie("of-carol"), ALICE)

    assert await grafana.who(Credentials(cookie=f"other={'a' * 40_000}; pmm_session=of-carol")) == "11"


async def test_its_health_is_asked_without_anybody_s_credentials(grafana: Grafana, fake: FakeGrafana) -> None:
    assert await grafana.problem() is None

    fake.instead["health"] = replying(503)
    assert await grafana.problem() == f"Grafana at {fake.url}: api/health answered 503"

    impatient = Grafana(fake.url, seconds=0.05)
    fake.instead["health"] = hanging
    assert await impatient.problem() == f"Grafana at {fake.url}: no answer within 0.05 s"
    await impatient.aclose()
    assert all(not {"Cookie", "Authorization"} & headers.keys() for _, headers in fake.asked)
