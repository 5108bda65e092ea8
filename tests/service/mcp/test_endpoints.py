"""Servers that run elsewhere: over SSE and streamable HTTP, in the older and the newer protocol."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import Any

import pytest
from mcp_types import CallToolResult
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from aichat_backend.mcp import opening
from fakes.mcp_endpoint import FakeEndpoint, Seen, said, serving, tool
from fakes.mcp_toolbox import OpenWorkshop

pytestmark = pytest.mark.thorough

KINDS = pytest.mark.parametrize(
    ("transport", "newer"),
    [("http", True), ("http", False), ("sse", True), ("sse", False)],
    ids=["http-newer", "http-older", "sse-newer", "sse-older"],
)


class Gate:
    """A tool that answers when the test lets it."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.left = asyncio.Event()
        self.open = asyncio.Event()

    async def __call__(self, _arguments: Mapping[str, Any]) -> CallToolResult:
        self.entered.set()
        try:
            await self.open.wait()
        finally:
            self.left.set()
        return said("passed the gate")


@KINDS
async def test_tools_are_offered_and_called(transport: str, newer: bool, open_workshop: OpenWorkshop) -> None:
    async with serving(FakeEndpoint(transport, newer)) as endpoint, open_workshop(remote=endpoint.entry) as shop:
        status = shop.status("remote")
        assert (status.state, status.transport, status.tools, status.last_error) == ("ready", transport, 1, None)

        outcome = await shop.call("echo", {"say": "hello"})

        assert (outcome.text, outcome.is_error) == ('{"say": "hello"}', False)
        assert shop.calls("remote", "ok") == 1


@KINDS
async def test_a_result_as_large_as_a_picture_arrives_and_disturbs_nobody(
    transport: str, newer: bool, open_workshop: OpenWorkshop
) -> None:
    async def picture(_arguments: Mapping[str, Any]) -> CallToolResult:
        return said("x" * 2_000_000)

    gate = Gate()
    tools = [tool("picture"), tool("gate")]
    endpoint = FakeEndpoint(transport, newer, tools, {"picture": picture, "gate": gate})
    async with serving(endpoint), open_workshop(remote=endpoint.entry) as shop:
        another = asyncio.ensure_future(shop.call("gate", {}))
        await gate.entered.wait()

        outcome = await shop.call("picture", {})
        gate.open.set()

        assert outcome.text.startswith("xxx")
        assert not outcome.is_error
        assert (await another).text == "passed the gate"


@KINDS
async def test_changes_of_the_tools_are_followed(transport: str, newer: bool, open_workshop: OpenWorkshop) -> None:
    async with serving(FakeEndpoint(transport, newer)) as endpoint, open_workshop(remote=endpoint.entry) as shop:
        if newer:
            await shop.until(lambda: endpoint.asked("subscriptions/listen"))
        endpoint.tools.append(tool("added"))
        await endpoint.announce()

        await shop.until(lambda: shop.names() == ["echo", "added"])


@KINDS
async def test_a_call_that_takes_too_long_may_have_run(
    transport: str, newer: bool, open_workshop: OpenWorkshop
) -> None:
    gate = Gate()
    fake = FakeEndpoint(transport, newer, [tool("wait")], {"wait": gate})
    async with serving(fake) as endpoint, open_workshop(remote={**endpoint.entry, "timeout": 0.3}) as shop:
        outcome = await shop.call("wait")

        assert outcome.is_error
        assert "did not answer within 0.3 s" in outcome.text
        assert "unknown" in outcome.text
        assert len(endpoint.asked("tools/call")) == 1
        assert shop.calls("remote", "unknown") == 1
        await shop.until(gate.left.is_set)


@KINDS
async def test_cancelling_a_call_tells_the_server(transport: str, newer: bool, open_workshop: OpenWorkshop) -> None:
    gate = Gate()
    fake = FakeEndpoint(transport, newer, [tool("wait"), tool("echo")], {"wait": gate})
    async with serving(fake) as endpoint, open_workshop(remote=endpoint.entry) as shop:
        call = asyncio.create_task(shop.call("wait"))
        await shop.until(gate.entered.is_set)

        call.cancel()

        with pytest.raises(asyncio.CancelledError):
            await call
        await shop.until(gate.left.is_set)
        assert shop.calls("remote", "cancelled") == 1
        assert (await shop.call("echo")).text == "{}"


async def test_what_stands_in_the_headers_is_sent_with_every_request_and_shown_nowhere(
    open_workshop: OpenWorkshop, environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    environment["REMOTE_TOKEN"] = "canary-in-a-header"
    echoed: list[str] = []

    async def leak(_arguments: object) -> CallToolResult:
        echoed.append(endpoint.seen[-1].headers["authorization"])
        return said(f"You sent {echoed[-1]}")

    fake = FakeEndpoint(tools=[tool("leak")], answers={"leak": leak})
    async with (
        serving(fake) as endpoint,
        open_workshop(remote={**endpoint.entry, "headers": {"Authorization": "Bearer ${env:REMOTE_TOKEN}"}}) as shop,
    ):
        outcome = await shop.call("leak")

        assert {seen.headers.get("authorization") for seen in endpoint.seen} == {"Bearer canary-in-a-header"}
        assert echoed
        assert outcome.text == "You sent Bearer [redacted]"
        endpoint.turn_away = lambda _seen: Response("canary-in-a-header", 401)
        await shop.call("leak")
        await shop.until_state("remote", "failed")
        assert "401" in str(shop.status("remote").last_error)
        assert "canary" not in str(shop.toolbox.servers())
    assert "canary" not in capsys.readouterr().out


async def test_the_callers_identity_is_sent_to_no_server_that_did_not_ask_for_it(
    open_workshop: OpenWorkshop,
) -> None:
    async with serving(FakeEndpoint()) as endpoint, open_workshop(remote=endpoint.entry) as shop:
        await shop.call("echo", user_id="8315931")

        assert endpoint.asked("tools/call")
        assert "8315931" not in repr(endpoint.seen)


async def test_a_redirect_to_another_origin_is_not_followed(open_workshop: OpenWorkshop) -> None:
    async with serving(FakeEndpoint()) as elsewhere, serving(FakeEndpoint()) as endpoint:
        endpoint.turn_away = lambda _seen: RedirectResponse(elsewhere.url, 307)
        async with open_workshop(remote={**endpoint.entry, "headers": {"X-Secret": "for-one-server"}}) as shop:
            await shop.until_state("remote", "failed")

            assert "not followed" in str(shop.status("remote").last_error)
    assert elsewhere.seen == []


async def test_a_redirect_within_the_origin_is(open_workshop: OpenWorkshop) -> None:
    def moved(seen: Seen) -> Response | None:
        return RedirectResponse(endpoint.url, 307) if seen.path == "/old" else None

    async with (
        serving(FakeEndpoint(turn_away=moved)) as endpoint,
        open_workshop(remote={"url": endpoint.url.replace("/mcp", "/old")}) as shop,
    ):
        assert (await shop.call("echo")).text == "{}"


@pytest.mark.parametrize(
    ("status", "transport", "remedy"),
    [
        (401, "http", '"headers"'),
        (403, "sse", '"headers"'),
        (405, "http", '"type": "sse"'),
        (404, "sse", '"type": "http"'),
        (500, "http", "HTTP status 500"),
    ],
)
async def test_a_server_that_turns_us_away_is_told_with_the_remedy(
    status: int, transport: str, remedy: str, open_workshop: OpenWorkshop
) -> None:
    fake = FakeEndpoint(transport, turn_away=lambda _seen: Response("go away", status))
    async with serving(fake) as endpoint, open_workshop(remote=endpoint.entry) as shop:
        await shop.until_state("remote", "failed")
        error = shop.status("remote").last_error or ""

        assert f"HTTP status {status}" in error
        assert remedy in error
        assert endpoint.url not in error


@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_a_server_that_cannot_be_reached_is_tried_again_until_it_can(
    transport: str, open_workshop: OpenWorkshop
) -> None:
    async with serving(FakeEndpoint(transport)) as gone:
        address = gone.entry
    async with open_workshop(remote=address) as shop:
        await shop.until_state("remote", "failed")
        assert "cannot be reached" in str(shop.status("remote").last_error)

        port = int(address["url"].split(":")[2].split("/")[0])
        async with serving(FakeEndpoint(transport), port):
            await shop.until_state("remote", "ready")
            assert shop.status("remote").last_error is None
            echo = shop.tool("echo")
            assert (await shop.toolbox.call(echo, {}, user_id="1")).text == "{}"
        assert (await shop.toolbox.call(echo, {}, user_id="1")).is_error
        await shop.until_state("remote", "failed")


async def test_a_server_that_never_answers_is_given_up(
    open_workshop: OpenWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/mcp"
        async with open_workshop(remote={"type": "http", "url": url}) as shop:
            await shop.until_state("remote", "failed")

            assert "did not answer within 0.2 s" in str(shop.status("remote").last_error)


async def test_a_request_that_fails_harms_no_other_call(open_workshop: OpenWorkshop) -> None:
    gate = Gate()
    fake = FakeEndpoint(tools=[tool("wait"), tool("echo")], answers={"wait": gate})
    async with serving(fake) as endpoint, open_workshop(remote=endpoint.entry) as shop:
        waiting = asyncio.create_task(shop.call("wait"))
        await shop.until(gate.entered.is_set)
        endpoint.turn_away = lambda _seen: Response("overloaded", 503)

        failed = await shop.call("echo")

        assert "HTTP status 503" in failed.text
        assert "unknown" in failed.text
        endpoint.turn_away = lambda _seen: None
        gate.open.set()
        assert (await waiting).text == "passed the gate"


async def test_a_session_that_the_server_forgot_is_begun_anew(open_workshop: OpenWorkshop) -> None:
    async with serving(FakeEndpoint(newer=False)) as endpoint, open_workshop(remote=endpoint.entry) as shop:
        forgotten = endpoint.asked("tools/list")[-1].headers["mcp-session-id"]

        def forget(seen: Seen) -> Response | None:
            return Response("who?", 404) if seen.headers.get("mcp-session-id") == forgotten else None

        endpoint.turn_away = forget
        outcome = await shop.call("echo")

        assert "did not run" in outcome.text
        await shop.until(lambda: len(endpoint.asked("initialize")) == 2)
        await shop.until_state("remote", "ready")
        assert (await shop.call("echo")).text == "{}"


async def test_over_sse_a_message_that_is_refused_ends_the_calls_at_once(open_workshop: OpenWorkshop) -> None:
    async with serving(FakeEndpoint("sse")) as endpoint, open_workshop(remote=endpoint.entry) as shop:
        endpoint.turn_away = lambda seen: Response("no", 500) if seen.rpc == "tools/call" else None

        outcome = await shop.call("echo")

        assert "connection to the tool's server was lost" in outcome.text
        assert "HTTP status 500" in outcome.text


class BrokenOff(Response):
    """Begins an answer, and goes away."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"jsonrpc"', "more_body": True})


async def test_an_answer_that_breaks_off_harms_no_other_call(open_workshop: OpenWorkshop) -> None:
    gate = Gate()
    fake = FakeEndpoint(tools=[tool("wait"), tool("echo")], answers={"wait": gate})
    async with serving(fake) as endpoint, open_workshop(remote=endpoint.entry) as shop:
        waiting = asyncio.create_task(shop.call("wait"))
        await shop.until(gate.entered.is_set)
        endpoint.turn_away = lambda _seen: BrokenOff()

        failed = await shop.call("echo")

        assert "broke the connection off" in failed.text
        assert "unknown" in failed.text
        endpoint.turn_away = lambda _seen: None
        gate.open.set()
        assert (await waiting).text == "passed the gate"


@pytest.mark.parametrize("media_type", ["application/json", "text/event-stream", "text/html"])
async def test_an_answer_that_is_no_message_is_an_outcome_and_stands_in_no_log(
    media_type: str, open_workshop: OpenWorkshop, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(FakeEndpoint()) as endpoint, open_workshop(remote=endpoint.entry) as shop:
        endpoint.turn_away = lambda seen: (
            Response('data: {"jsonrpc": "canary-in-an-answer"\n\n', media_type=media_type)
            if seen.rpc == "tools/call"
            else None
        )

        outcome = await shop.call("echo")

        assert outcome.is_error
        assert (await shop.call("echo")).is_error
        assert shop.status("remote").state == "ready"
    assert "canary" not in caplog.text


@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_a_server_that_hangs_up_is_told(transport: str, open_workshop: OpenWorkshop) -> None:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with open_workshop(remote={"url": f"http://127.0.0.1:{port}/mcp", "type": transport}) as shop:
            await shop.until_state("remote", "failed")

            assert "broke the connection off" in str(shop.status("remote").last_error)


async def test_an_answer_without_an_end_is_cut(open_workshop: OpenWorkshop) -> None:
    async def much(_arguments: object) -> CallToolResult:
        return said("x" * 33 * 1024 * 1024)

    fake = FakeEndpoint(tools=[tool("much"), tool("echo")], answers={"much": much})
    async with serving(fake) as endpoint, open_workshop(remote=endpoint.entry) as shop:
        outcome = await shop.call("much")

        assert outcome.is_error
        assert len(outcome.text) < 2_000
        assert (await shop.call("echo")).text == "{}"
