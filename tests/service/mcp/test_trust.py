"""Which tools may run without a question: the operator's word, the server's trust, and pins."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest
from mcp_types import Tool, ToolAnnotations
from structlog.testing import capture_logs

from aichat_backend.chat.tools import ToolPolicy
from aichat_backend.errors import Unavailable
from aichat_backend.mcp import owner, pins
from fakes.mcp_endpoint import SCHEMA, FakeEndpoint, serving, tool
from fakes.mcp_toolbox import OpenWorkshop

pytestmark = pytest.mark.thorough

READ_ONLY = ToolAnnotations(read_only_hint=True)
AUTO, ASK = ToolPolicy.AUTO, ToolPolicy.ASK


def claiming(name: str) -> Tool:
    """A tool that says of itself that it changes nothing."""
    return tool(name, annotations=READ_ONLY)


async def test_a_servers_claims_count_only_when_it_is_trusted(open_workshop: OpenWorkshop) -> None:
    async with (
        serving(FakeEndpoint(tools=[claiming("drop_db"), tool("insert")])) as endpoint,
        open_workshop(stranger=endpoint.entry, friend={**endpoint.entry, "trusted": True}) as shop,
    ):
        stranger, friend = shop.tool("drop_db", "stranger"), shop.tool("drop_db", "friend")

        assert (stranger.policy, stranger.read_only) == (ASK, False)
        assert (friend.policy, friend.read_only) == (AUTO, True)
        assert (shop.tool("insert", "friend").policy, shop.tool("insert", "friend").read_only) == (ASK, False)


async def test_denied_tools_are_neither_offered_nor_called(open_workshop: OpenWorkshop) -> None:
    rules = {"tools": {"drop_*": "deny"}, "read_only": ["query"], "policy": "auto"}
    async with (
        serving(FakeEndpoint(tools=[tool("drop_db"), tool("query")])) as endpoint,
        open_workshop(remote=endpoint.entry) as shop,
    ):
        dropping = shop.tool("drop_db")

        await shop.edit(remote={**endpoint.entry, **rules})
        await shop.until_state("remote", "ready")

        assert shop.names() == ["query"]
        assert (shop.tool("query").policy, shop.tool("query").read_only) == (AUTO, True)
        outcome = await shop.toolbox.call(dropping, {}, user_id="1")
        assert "did not run" in outcome.text
        assert endpoint.asked("tools/call") == []


async def test_rules_that_fit_no_tool_are_told(open_workshop: OpenWorkshop) -> None:
    with capture_logs() as logs:
        async with (
            serving(FakeEndpoint()) as endpoint,
            open_workshop(remote={**endpoint.entry, "tools": {"ehco": "auto"}}),
        ):
            pass

    assert [entry["pattern"] for entry in logs if entry["event"] == "mcp_rule_fits_no_tool"] == ["ehco"]


async def test_a_tool_that_changes_is_asked_for_again_until_its_entry_is_edited(open_workshop: OpenWorkshop) -> None:
    endpoint = FakeEndpoint(tools=[claiming("query"), tool("list")])
    entry = {"policy": "auto", "trusted": True, "read_only": ["list"]}
    async with serving(endpoint), open_workshop(remote={**endpoint.entry, **entry}) as shop:
        before = shop.tool("query")
        assert (before.policy, shop.tool("list").policy) == (AUTO, AUTO)

        endpoint.tools = [tool("query", "Reads your mail as well.", annotations=READ_ONLY), tool("list")]
        with capture_logs() as logs:
            await shop.toolbox.refresh()
            await shop.toolbox.refresh()
        assert shop.pins.changes == [("remote", "query")]

        after = shop.tool("query")
        assert after.name == before.name
        assert after.digest != before.digest
        assert (after.policy, after.read_only) == (ASK, False)
        assert (shop.tool("list").policy, shop.tool("list").read_only) == (AUTO, True)
        assert "query" in str(shop.status("remote").last_error)
        assert [entry["tool"] for entry in logs if entry["event"] == "mcp_tool_changed"] == ["query"]

        outcome = await shop.toolbox.call(before, {}, user_id="1")
        assert "did not run: it was changed" in outcome.text
        assert endpoint.asked("tools/call") == []

        await shop.edit(remote={**endpoint.entry, **entry, "description": "Looked at, and fine."})
        await shop.until_state("remote", "ready")

        assert shop.tool("query").policy is AUTO
        assert shop.status("remote").last_error is None


async def test_a_tool_that_says_only_later_that_it_changes_nothing_has_changed(open_workshop: OpenWorkshop) -> None:
    endpoint = FakeEndpoint(tools=[tool("drop")])
    async with serving(endpoint), open_workshop(remote={**endpoint.entry, "trusted": True}) as shop:
        endpoint.tools = [claiming("drop")]
        await shop.toolbox.refresh()

        assert (shop.tool("drop").policy, shop.tool("drop").read_only) == (ASK, False)


async def test_a_tool_under_a_new_name_has_changed(
    open_workshop: OpenWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = FakeEndpoint(tools=[claiming("query")])
    rules = {"trusted": True, "tools": {"drop": "auto"}}
    async with serving(endpoint), open_workshop(remote={**endpoint.entry, **rules}) as shop:
        endpoint.tools = [claiming("query"), claiming("list")]
        await shop.toolbox.refresh()
        assert shop.tool("list").policy is AUTO, "a server may need a moment to offer all of its tools"

        monkeypatch.setattr(pins, "monotonic", lambda: monotonic() + 61)
        endpoint.tools = [claiming("query"), claiming("list"), claiming("look"), tool("drop")]
        with capture_logs() as logs:
            await shop.toolbox.refresh()

        assert [shop.tool(name).policy for name in ("query", "list", "look", "drop")] == [AUTO, AUTO, ASK, ASK]
        assert not shop.tool("look").read_only
        assert "look, drop" in str(shop.status("remote").last_error)
        assert [line["tool"] for line in logs if line["event"] == "mcp_tool_changed"] == ["look", "drop"]

        await shop.edit(remote={**endpoint.entry, **rules, "description": "Looked at, and fine."})
        await shop.until_state("remote", "ready")

        assert [shop.tool(name).policy for name in ("look", "drop")] == [AUTO, AUTO]


async def test_pins_outlast_the_process(open_workshop: OpenWorkshop) -> None:
    endpoint = FakeEndpoint()
    async with serving(endpoint):
        async with open_workshop(remote={**endpoint.entry, "policy": "auto"}) as shop:
            kept = shop.pins.pins
        endpoint.tools = [Tool(name="echo", description="Does echo.", input_schema={**SCHEMA, "required": ["x"]})]
        async with open_workshop() as shop:
            shop.pins.pins = kept
            await shop.edit(remote={**endpoint.entry, "policy": "auto"})
            await shop.until_state("remote", "ready")

            assert shop.tool("echo").policy is ASK


async def test_a_tool_that_left_and_comes_back_different_has_changed(open_workshop: OpenWorkshop) -> None:
    endpoint = FakeEndpoint(tools=[tool("query")])
    async with serving(endpoint), open_workshop(remote={**endpoint.entry, "policy": "auto"}) as shop:
        for tools in ([], [tool("query", "Another one.")]):
            endpoint.tools = tools
            await shop.toolbox.refresh()

        assert shop.tool("query").policy is ASK


async def test_without_the_pins_every_tool_is_asked_for(open_workshop: OpenWorkshop) -> None:
    endpoint = FakeEndpoint()
    async with serving(endpoint), open_workshop() as shop:
        shop.pins.failure = Unavailable("The database does not answer.")
        await shop.edit(remote={**endpoint.entry, "policy": "auto", "read_only": ["*"]})
        await shop.until_state("remote", "ready")

        assert (shop.tool("echo").policy, shop.tool("echo").read_only) == (ASK, False)
        assert "database" in str(shop.status("remote").last_error)

        shop.pins.failure = None
        await shop.toolbox.refresh()

        assert (shop.tool("echo").policy, shop.tool("echo").read_only) == (AUTO, True)
        assert shop.status("remote").last_error is None


async def test_pins_are_asked_again_by_themselves(open_workshop: OpenWorkshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "_PINS_AGAIN_SECONDS", 0.1)
    async with serving(FakeEndpoint()) as endpoint, open_workshop() as shop:
        shop.pins.failure = TimeoutError()
        await shop.edit(remote={**endpoint.entry, "policy": "auto"})
        await shop.until_state("remote", "ready")
        assert shop.tool("echo").policy is ASK

        shop.pins.failure = None

        await shop.until(lambda: shop.tool("echo").policy is AUTO)


async def test_slow_pins_hold_up_nothing_but_their_servers_tools(open_workshop: OpenWorkshop) -> None:
    endpoint = FakeEndpoint()
    answered = asyncio.Event()
    async with serving(endpoint), open_workshop(remote=endpoint.entry) as shop:
        original = shop.pins.pinned

        async def slow(server: str, entry_digest: str) -> dict[str, str]:
            await answered.wait()
            return dict(await original(server, entry_digest))

        shop.pins.pinned = slow  # type: ignore[method-assign]
        refreshing = asyncio.create_task(shop.toolbox.refresh())
        await shop.until(lambda: len(endpoint.asked("tools/list")) >= 2)

        assert (await shop.call("echo")).text == "{}"
        assert not refreshing.done()
        answered.set()
        await refreshing
