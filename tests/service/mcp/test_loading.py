"""A service that cannot load what it talks to tool servers with says so, and tries again when it is asked to."""

from __future__ import annotations

import sys

import pytest
from structlog.testing import capture_logs

from fakes.mcp_endpoint import FakeEndpoint, serving
from fakes.mcp_toolbox import OpenWorkshop

pytestmark = pytest.mark.thorough

OFF = {"command": "none", "enabled": False}


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An installation in which a module is missing, until the patch is undone."""
    monkeypatch.setitem(sys.modules, "aichat_backend.mcp.owner", None)
    return monkeypatch


@pytest.mark.usefixtures("broken")
async def test_servers_that_cannot_be_started_have_failed_and_say_why(open_workshop: OpenWorkshop) -> None:
    with capture_logs() as logs:
        async with open_workshop(remote={"url": "http://127.0.0.1:9/mcp"}, off=OFF) as shop:
            status = shop.status("remote")
            assert (status.state, shop.status("off").state) == ("failed", "disabled")
            assert status.last_error is not None
            assert "mcp_not_loaded" in status.last_error
            assert "/" not in status.last_error
            assert shop.toolbox.problem() == "1 of 2 servers failed: remote"
            assert shop.metrics.registry.get_sample_value("aichat_tool_servers", {"state": "failed"}) == 1
            await shop.toolbox.settled(10)

    (told,) = [log for log in logs if log["event"] == "mcp_not_loaded"]
    assert told["servers"] == ["remote"]
    assert isinstance(told["exc_info"], ImportError)


@pytest.mark.usefixtures("broken")
async def test_a_server_that_is_added_then_has_failed_as_well(open_workshop: OpenWorkshop) -> None:
    async with open_workshop(remote={"url": "http://127.0.0.1:9/mcp"}) as shop:
        await shop.edit(remote={"url": "http://127.0.0.1:9/mcp"}, added={"url": "http://127.0.0.1:9/added"})

        await shop.until_state("added", "failed")


async def test_they_are_started_when_that_is_mended_and_the_tools_are_refreshed(
    open_workshop: OpenWorkshop, broken: pytest.MonkeyPatch
) -> None:
    async with serving(FakeEndpoint()) as endpoint, open_workshop(remote=endpoint.entry) as shop:
        assert shop.status("remote").state == "failed"
        broken.undo()

        await shop.toolbox.refresh()

        assert (shop.status("remote").state, shop.status("remote").last_error) == ("ready", None)
        assert shop.names()
