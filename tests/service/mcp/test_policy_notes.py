"""Which policies are in force is noted at the start and after every edit, and again when the database was away."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from aichat_backend.chat.tools import ServerPolicy
from aichat_backend.errors import Unavailable
from aichat_backend.mcp import policy_notes
from fakes.mcp_toolbox import OpenWorkshop, Workshop

OFF: Mapping[str, Any] = {"command": "none", "enabled": False}
RULES: Mapping[str, Any] = {"policy": "auto", "tools": {"write_*": "deny"}, "read_only": ["read_*"], "trusted": True}


def noted(shop: Workshop) -> list[list[str]]:
    """The servers of each time."""
    return [[policy.server for policy in policies] for policies in shop.policies.noted]


async def until_noted(shop: Workshop, times: int) -> None:
    await shop.until(lambda: len(shop.policies.noted) >= times)


def nothing_to_note() -> bool:
    """Whether all that was told is noted."""
    return not any(task.get_name() == "note tool policies" for task in asyncio.all_tasks())


async def test_a_start_notes_what_the_entries_say_also_of_servers_that_are_off(open_workshop: OpenWorkshop) -> None:
    async with open_workshop(files={**OFF, **RULES}) as shop:
        await until_noted(shop, 1)

        ((policy,),) = shop.policies.noted
        assert policy == ServerPolicy(
            server="files",
            entry_digest=policy.entry_digest,
            enabled=False,
            trusted=True,
            default="auto",
            by_tool={"write_*": "deny"},
            read_only=("read_*",),
        )


async def test_every_edit_is_noted_and_reading_the_same_again_is_not(open_workshop: OpenWorkshop) -> None:
    async with open_workshop(files=OFF) as shop:
        for servers in ({"files": OFF}, {"files": OFF | RULES}, {"files": OFF | RULES}, {"files": OFF}, {}):
            await shop.edit(**servers)
            await shop.until(nothing_to_note)

    first, edited, back, removed = shop.policies.noted
    assert first == back != edited
    assert removed == ()


async def test_an_edit_that_cannot_be_used_leaves_the_policy_in_force(open_workshop: OpenWorkshop) -> None:
    async with open_workshop(files=OFF) as shop:
        await until_noted(shop, 1)
        await shop.edit(files={**OFF, "policy": "sometimes"}, broken={"command": 5})
        await asyncio.to_thread(shop.file.write_text, "{")
        await shop.toolbox.reload()
        await shop.edit(files={**OFF, "policy": "auto"})
        await until_noted(shop, 2)

    assert noted(shop) == [["files"], ["files"]]
    assert [policies[0].default for policies in shop.policies.noted] == [None, "auto"]


async def test_what_could_not_be_noted_is_noted_later_and_the_log_tells_once(
    open_workshop: OpenWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy_notes, "_AGAIN_SECONDS", 0.01)
    async with open_workshop(files=OFF) as shop:
        await until_noted(shop, 1)
        shop.policies.failure = Unavailable("The database does not answer.")
        with capture_logs() as logs:
            await shop.edit(files={**OFF, "policy": "auto"})
            await shop.edit(files={**OFF, "policy": "deny"})
            await shop.until(lambda: shop.policies.attempts >= 4)
            shop.policies.failure = None
            await until_noted(shop, 2)

    assert [policies[0].default for policies in shop.policies.noted] == [None, "deny"]
    assert [log["event"] for log in logs if log["event"].startswith("mcp_policies")] == ["mcp_policies_not_noted"]


async def test_a_toolbox_closes_while_the_database_is_away(open_workshop: OpenWorkshop) -> None:
    async with open_workshop(files=OFF) as shop:
        await until_noted(shop, 1)
        shop.policies.failure = Unavailable("The database does not answer.")
        await shop.edit(files={**OFF, "policy": "auto"})
        await shop.until(lambda: shop.policies.attempts >= 2)

    assert len(shop.policies.noted) == 1
