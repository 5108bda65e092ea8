"""What was approved waits for its servers, and for no others."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from aichat_backend.mcp import toolbox
from aichat_backend.mcp.backoff import Backoff
from fakes.mcp_endpoint import FakeEndpoint, serving
from fakes.mcp_processes import program
from fakes.mcp_toolbox import OpenWorkshop, Workshop
from fakes.processes import STARTS_PROCESSES


async def test_a_tool_that_is_there_is_within_reach(open_workshop: OpenWorkshop) -> None:
    async with serving(FakeEndpoint()) as endpoint, open_workshop(remote=endpoint.entry) as shop:
        assert not await shop.toolbox.reach({"remote__echo"})


async def test_who_asks_right_after_the_start_has_the_servers_started(tmp_path: Path) -> None:
    async with serving(FakeEndpoint()) as endpoint:
        shop = Workshop(tmp_path, {})
        shop.write(remote=endpoint.entry)
        await shop.toolbox.start()
        try:
            assert shop.status("remote").state == "connecting"
            assert not await shop.toolbox.reach({"remote__echo"})
            assert shop.names() == ["echo"]
        finally:
            await shop.toolbox.aclose()


async def test_a_server_that_failed_is_tried_at_once(
    open_workshop: OpenWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backoff, "next_pause", lambda _self: 1_000.0)
    async with serving(FakeEndpoint()) as gone:
        address = gone.entry
    async with open_workshop(remote=address) as shop:
        await shop.until_state("remote", "failed")
        assert await shop.toolbox.reach({"remote__echo"}) == {"remote__echo"}

        port = int(address["url"].split(":")[2].split("/")[0])
        async with serving(FakeEndpoint(), port):
            assert not await shop.toolbox.reach({"remote__echo"})
            assert shop.names() == ["echo"]


async def test_what_no_server_in_use_has_is_not_waited_for(open_workshop: OpenWorkshop) -> None:
    async with (
        serving(FakeEndpoint()) as endpoint,
        open_workshop(remote=endpoint.entry, off={"command": "x", "enabled": False}) as shop,
    ):
        assert not await shop.toolbox.reach({"remote__dropped", "off__tool", "unknown__tool"})


@STARTS_PROCESSES
async def test_a_server_that_connects_is_waited_for_in_bounded_time_while_others_are_not(
    tmp_path: Path, open_workshop: OpenWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolbox, "_REACH_SECONDS", 0.2)
    async with serving(FakeEndpoint()) as endpoint, open_workshop(remote=endpoint.entry) as shop:
        await shop.edit(remote=endpoint.entry, local=program(tmp_path, mute=True).entry)
        await shop.until_state("local", "connecting")

        async with asyncio.timeout(10):
            assert await shop.toolbox.reach({"remote__echo", "local__echo"}) == {"local__echo"}
            assert shop.status("local").state == "connecting"


async def test_an_entry_that_is_broken_may_be_mended(open_workshop: OpenWorkshop) -> None:
    async with open_workshop(local={"command": 1}) as shop:
        assert await shop.toolbox.reach({"local__echo"}) == {"local__echo"}
