"""Who may call: one identity from the proxy on all that is not public, checked before any body is read."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from msgspec import structs

from aichat_backend.config.secrets import Secret
from aichat_backend.config.settings import Settings
from fakes.backend import Backend, running_backend
from fakes.contract import assert_error
from fakes.raw_http import exchange
from fakes.routes import Route, routes_of

REFUSAL = "Authentication required: missing or invalid user ID"
PUBLIC = {f"{prefix}/{name}" for prefix in ("", "/v1/chat") for name in ("health", "ready", "metrics")}

MALFORMED = [
    "", "0", "01", "-1", "+1", "1.0", "1e3", "abc", "1a", "0x1", "null", "None",
    "12345678901234567890", "1 2", "1,2", "1, 1", "1;", "'1'", "\u0661", "\uff11", "²", "1\u00a0", "\xff",
]  # fmt: skip


def private_routes(backend: Backend) -> list[Route]:
    found = [route for route in routes_of(backend.service.app) if route.path not in PUBLIC]
    assert len(found) > 10
    return found


async def test_every_route_but_the_public_ones_needs_an_identity(backend: Backend) -> None:
    stranger = backend.user(None, prefix="")

    for route in private_routes(backend):
        answer = await stranger.call(route.method, route.filled("some"), json={"message": "x", "title": "x"})

        assert answer.status == 401, route
        if route.method != "HEAD":
            assert_error(answer, 401, "unauthenticated")
            assert answer.json["error"] == REFUSAL
    assert backend.rows() == {"sessions": 0, "messages": 0}


async def test_a_doubled_identity_is_refused_on_every_route(backend: Backend) -> None:
    caller = backend.user("1", prefix="")

    for route in private_routes(backend):
        doubled = [("X-User-ID", "1")]
        answer = await caller.call(route.method, route.filled("some"), headers=doubled, json={"message": "x"})
        assert answer.status == 401, route


@pytest.mark.parametrize("user_id", MALFORMED)
async def test_a_malformed_identity_is_refused(backend: Backend, user_id: str) -> None:
    answer = await exchange(
        backend, f"GET /v1/chat/sessions HTTP/1.1\r\nHost: x\r\nX-User-ID: {user_id}\r\n\r\n".encode()
    )

    assert_error(answer, 401, "unauthenticated")


@pytest.mark.parametrize("user_id", ["1", "10", "9" * 19])
async def test_an_identity_is_a_positive_number_of_at_most_19_digits(backend: Backend, user_id: str) -> None:
    created = await backend.user(user_id).post("/sessions")

    assert (created.status, created.json["user_id"]) == (201, user_id)


@pytest.mark.parametrize("path", ["/v1/chat/nothing", "/nothing", "/v1/chat/send/"])
async def test_what_does_not_exist_is_only_told_to_the_identified(backend: Backend, path: str) -> None:
    assert_error(await backend.user(None, prefix="").get(path), 401, "unauthenticated")
    assert_error(await backend.user("1", prefix="").get(path), 404, "not_found")


async def test_a_wrong_method_is_answered_in_the_contract_s_shape(backend: Backend) -> None:
    answer = await backend.user("1").call("PATCH", "/sessions")

    assert_error(answer, 405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(",")) >= {"GET", "POST"}


@pytest.mark.parametrize("announced", ["Content-Length: 1000000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("extra", ["", "Expect: 100-continue\r\n"])
@pytest.mark.parametrize("path", ["/v1/chat/send", "/v1/chat/sessions", "/v1/chat/nothing"])
async def test_a_stranger_is_refused_before_the_body_is_read(
    backend: Backend, path: str, announced: str, extra: str
) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{announced}\r\n{extra}\r\n"

    assert_error(await exchange(backend, head.encode()), 401, "unauthenticated")


@pytest.mark.parametrize("path", sorted(PUBLIC))
async def test_public_routes_need_no_identity(backend: Backend, path: str) -> None:
    assert (await backend.user(None, prefix="").get(path)).status == 200


@pytest.mark.parametrize("path", ["/ready", "/metrics", "/v1/chat/ready", "/v1/chat/metrics"])
@pytest.mark.parametrize("trace", ["X-Forwarded-For", "X-Real-IP", "Forwarded"])
async def test_what_is_for_operators_does_not_go_through_the_proxy(backend: Backend, path: str, trace: str) -> None:
    answer = await backend.user("1", prefix="").get(path, headers={trace: "127.0.0.1"})

    assert_error(answer, 404, "not_found")


@pytest.fixture
async def guarded(settings: Settings) -> AsyncIterator[Backend]:
    """A service that knows its proxy by a secret."""
    secret = {"proxy_secret": Secret("schlüssel-canary")}
    async with running_backend(structs.replace(settings, **secret)) as backend:
        yield backend


async def test_the_proxy_s_secret_opens(guarded: Backend) -> None:
    answer = await guarded.user("1").get("/sessions", headers={"X-AIChat-Proxy-Secret": "schlüssel-canary"})

    assert answer.status == 200


@pytest.mark.parametrize("header", [b"", b"X-AIChat-Proxy-Secret: wrong\r\n", b"X-AIChat-Proxy-Secret: \xff\xfe\r\n"])
async def test_without_the_proxy_s_secret_an_identity_counts_nothing(guarded: Backend, header: bytes) -> None:
    answer = await exchange(
        guarded, b"GET /v1/chat/sessions HTTP/1.1\r\nHost: x\r\nX-User-ID: 1\r\n" + header + b"\r\n"
    )

    assert_error(answer, 403, "forbidden")
    assert b"canary" not in answer.body


async def test_the_proxy_s_secret_does_not_replace_an_identity(guarded: Backend) -> None:
    answer = await guarded.user(None).get("/sessions", headers={"X-AIChat-Proxy-Secret": "schlüssel-canary"})

    assert_error(answer, 401, "unauthenticated")


async def test_health_needs_no_secret(guarded: Backend) -> None:
    assert (await guarded.user(None).get("/health")).status == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", ""])
async def test_pages_of_other_sites_change_nothing(backend: Backend, site: str) -> None:
    user = backend.user("1", prefix="")
    changing = [route for route in private_routes(backend) if route.method not in ("GET", "HEAD")]
    assert {route.method for route in changing} == {"POST", "PUT", "DELETE"}

    for route in changing:
        headers = {"Sec-Fetch-Site": site}
        answer = await user.call(
            route.method, route.filled("some"), headers=headers, json={"message": "x", "title": "x"}
        )

        assert_error(answer, 403, "cross_site")
    assert backend.rows() == {"sessions": 0, "messages": 0}


@pytest.mark.parametrize("page", ["http://evil.example", "http://127.0.0.1:1", "null"])
async def test_where_the_browser_names_the_page_alone_pages_of_other_sites_change_nothing(
    backend: Backend, page: str
) -> None:
    answer = await backend.user("1").post("/sessions", headers={"Origin": page})

    assert_error(answer, 403, "cross_site")
    assert backend.rows()["sessions"] == 0


async def test_our_own_page_without_https_may_change_what_it_shows(backend: Backend) -> None:
    created = await backend.user("1").post("/sessions", headers={"Origin": "http://pmm:8080", "Host": "pmm:8080"})

    assert created.status == 201


async def test_what_the_browser_says_of_the_sites_counts_more_than_their_names(backend: Backend) -> None:
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": "https://pmm.example", "Host": "renamed-by-a-proxy"}

    assert (await backend.user("1").post("/sessions", headers=headers)).status == 201


@pytest.mark.parametrize("site", ["none", "same-origin"])
async def test_our_own_pages_may_change_what_they_show(backend: Backend, site: str) -> None:
    created = await backend.user("1").post("/sessions", headers={"Sec-Fetch-Site": site})

    assert created.status == 201


async def test_pages_of_other_sites_may_link_to_a_download(backend: Backend) -> None:
    assert (await backend.user("1").get("/sessions", headers={"Sec-Fetch-Site": "cross-site"})).status == 200
