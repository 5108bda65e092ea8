"""Servers that are sent the user's id: each user has connections of their own."""

from __future__ import annotations

import asyncio

import pytest
from mcp_types import CallToolResult
from starlette.responses import Response

from aichat_backend.mcp import personal
from fakes.mcp_endpoint import FakeEndpoint, Seen, said, serving, tool
from fakes.mcp_toolbox import OpenWorkshop

pytestmark = pytest.mark.thorough

HEADERS = {"headers": {"X-PMM-User": "${user_id}", "X-Plain": "same"}}
ERAS = pytest.mark.parametrize("newer", [True, False], ids=["newer", "older"])


@ERAS
@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_each_call_carries_its_own_users_id(transport: str, newer: bool, open_workshop: OpenWorkshop) -> None:
    async with (
        serving(FakeEndpoint(transport, newer)) as endpoint,
        open_workshop(remote={**endpoint.entry, **HEADERS}) as shop,
    ):
        users = [str(number) for number in range(1, 6)] * 3

        outcomes = await asyncio.gather(*(shop.call("echo", {"me": user}, user_id=user) for user in users))

        assert [outcome.text for outcome in outcomes] == [f'{{"me": "{user}"}}' for user in users]
        calls = endpoint.asked("tools/call")
        assert sorted(seen.headers["x-pmm-user"] for seen in calls) == sorted(users)
        assert {seen.headers["x-plain"] for seen in endpoint.seen} == {"same"}


async def test_two_users_never_share_a_session(open_workshop: OpenWorkshop) -> None:
    async with (
        serving(FakeEndpoint(newer=False)) as endpoint,
        open_workshop(remote={**endpoint.entry, **HEADERS}) as shop,
    ):
        for user in ("1", "2", "1"):
            await shop.call("echo", user_id=user)

        sessions = {}
        for seen in endpoint.seen:
            if session := seen.headers.get("mcp-session-id"):
                sessions.setdefault(session, set()).add(seen.headers.get("x-pmm-user"))
        assert sorted(sessions.values(), key=str) == [{"1"}, {"2"}, {None}]


async def test_tools_are_listed_without_any_users_id(open_workshop: OpenWorkshop) -> None:
    async with (
        serving(FakeEndpoint()) as endpoint,
        open_workshop(remote={**endpoint.entry, **HEADERS}) as shop,
    ):
        assert shop.names() == ["echo"]
        assert {seen.headers.get("x-pmm-user") for seen in endpoint.seen} == {None}


def who_are_you(seen: Seen) -> Response | None:
    return None if "x-pmm-user" in seen.headers else Response("who?", 401)


async def test_a_server_that_wants_an_id_for_its_list_is_told_with_the_remedy(open_workshop: OpenWorkshop) -> None:
    async with (
        serving(FakeEndpoint(turn_away=who_are_you)) as endpoint,
        open_workshop(remote={**endpoint.entry, **HEADERS}) as shop,
    ):
        await shop.until_state("remote", "failed")

        error = str(shop.status("remote").last_error)
        assert "HTTP status 401" in error
        assert "offers no tools" not in error
        assert "${user_id:NAME}" in error


async def test_a_server_that_lists_nothing_to_nobody_is_told_with_the_remedy(open_workshop: OpenWorkshop) -> None:
    async with (
        serving(FakeEndpoint(tools=[])) as endpoint,
        open_workshop(remote={**endpoint.entry, **HEADERS}) as shop,
    ):
        assert shop.status("remote").state == "ready"
        assert "${user_id:NAME}" in str(shop.status("remote").last_error)

        endpoint.tools = [tool("echo")]
        await shop.toolbox.refresh()
        assert shop.status("remote").last_error is None


async def test_tools_can_be_listed_as_a_user_of_the_operators_choice(open_workshop: OpenWorkshop) -> None:
    headers = {"headers": {"X-PMM-User": "${user_id:lister}"}}
    async with (
        serving(FakeEndpoint(turn_away=who_are_you)) as endpoint,
        open_workshop(remote={**endpoint.entry, **headers}) as shop,
    ):
        assert shop.names() == ["echo"]
        assert {seen.headers["x-pmm-user"] for seen in endpoint.seen} == {"lister"}

        await shop.call("echo", user_id="7")

        assert [seen.headers["x-pmm-user"] for seen in endpoint.asked("tools/call")] == ["7"]


async def test_a_connection_that_is_not_used_is_closed(
    open_workshop: OpenWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(personal, "_IDLE_SECONDS", 0.05)
    async with (
        serving(FakeEndpoint(newer=False)) as endpoint,
        open_workshop(remote={**endpoint.entry, **HEADERS}) as shop,
    ):
        await shop.call("echo", user_id="1")
        await shop.until(lambda: [seen for seen in endpoint.seen if seen.method == "DELETE"])
        await shop.call("echo", user_id="1")

        opened = [seen for seen in endpoint.asked("initialize") if seen.headers.get("x-pmm-user") == "1"]
        assert len(opened) == 2


async def test_a_tool_that_is_another_one_for_a_user_does_not_run(open_workshop: OpenWorkshop) -> None:
    async with (
        serving(FakeEndpoint()) as endpoint,
        open_workshop(remote={**endpoint.entry, **HEADERS}) as shop,
    ):
        echo = shop.tool("echo")
        endpoint.tools = [tool("echo", "Something else for you.")]

        outcome = await shop.toolbox.call(echo, {}, user_id="1")

        assert "did not run" in outcome.text
        assert endpoint.asked("tools/call") == []


async def test_one_users_trouble_is_no_others(open_workshop: OpenWorkshop) -> None:
    async with (
        serving(FakeEndpoint()) as endpoint,
        open_workshop(remote={**endpoint.entry, **HEADERS}) as shop,
    ):
        endpoint.turn_away = lambda seen: Response("no", 403) if seen.headers.get("x-pmm-user") == "2" else None

        mine, theirs = await asyncio.gather(shop.call("echo", user_id="1"), shop.call("echo", user_id="2"))

        assert mine.text == "{}"
        assert "did not run" in theirs.text
        assert "403" in theirs.text
        assert shop.status("remote").state == "ready"

        endpoint.turn_away = lambda _seen: None
        assert (await shop.call("echo", user_id="2")).text == "{}"


@pytest.mark.parametrize("user_id", ["1\r\nX-Admin: yes", "", "ä"])
async def test_an_id_that_is_no_word_is_not_sent(user_id: str, open_workshop: OpenWorkshop) -> None:
    async with (
        serving(FakeEndpoint()) as endpoint,
        open_workshop(remote={**endpoint.entry, **HEADERS}) as shop,
    ):
        outcome = await shop.call("echo", user_id=user_id)

        assert outcome.is_error
        assert endpoint.asked("tools/call") == []
        assert {seen.headers.get("x-pmm-user") for seen in endpoint.seen} == {None}


async def test_a_crowd_of_users_gets_no_more_connections_than_there_may_be(
    open_workshop: OpenWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(personal, "_MOST_SESSIONS", 2)
    held, entered = asyncio.Event(), asyncio.Semaphore(0)

    async def wait(_arguments: object) -> CallToolResult:
        entered.release()
        await held.wait()
        return said("waited")

    fake = FakeEndpoint(tools=[tool("wait"), tool("echo")], answers={"wait": wait})
    async with serving(fake) as endpoint, open_workshop(remote={**endpoint.entry, **HEADERS}) as shop:
        busy = [asyncio.create_task(shop.call("wait", user_id=user)) for user in ("1", "2")]
        for _ in busy:
            await entered.acquire()

        refused = await shop.call("echo", user_id="3")

        assert "too many users" in refused.text
        held.set()
        assert [outcome.text for outcome in await asyncio.gather(*busy)] == ["waited", "waited"]
        assert (await shop.call("echo", user_id="3")).text == "{}"


async def test_an_edited_entry_waits_for_the_users_calls(open_workshop: OpenWorkshop) -> None:
    held, entered = asyncio.Event(), asyncio.Event()

    async def wait(_arguments: object) -> CallToolResult:
        entered.set()
        await held.wait()
        return said("waited")

    fake = FakeEndpoint(tools=[tool("wait")], answers={"wait": wait})
    async with serving(fake) as endpoint, open_workshop(remote={**endpoint.entry, **HEADERS}) as shop:
        call = asyncio.create_task(shop.call("wait", user_id="1"))
        await shop.until(entered.is_set)

        await shop.edit()
        assert shop.toolbox.servers() == ()
        held.set()

        assert (await call).text == "waited"
