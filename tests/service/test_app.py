"""What opening the service does besides wiring it."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aichat_backend import app
from aichat_backend.app import open_service
from aichat_backend.chat.files import NewFile
from aichat_backend.config.providers import ProviderName
from aichat_backend.config.settings import Settings
from aichat_backend.mcp.toolbox import McpToolbox
from aichat_backend.storage.audit import SqlAuditTrail
from aichat_backend.storage.conversations import SqlConversationStore
from aichat_backend.storage.database import Database
from aichat_backend.storage.files import SqlFileStore
from fakes.backend import eventually

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("settings", "left"),
    [({}, (1, 1)), ({"audit_retention_days": 30}, (0, 1)), ({"retention_days": 30}, (2, 0))],
    ids=["nothing", "the audit trail", "sessions"],
)
async def test_what_is_kept_for_so_many_days_is_gone_after_a_start(
    tmp_path: Path, migrated_database: Path, settings: dict[str, int], left: tuple[int, int]
) -> None:
    path = Path(shutil.copy(migrated_database, tmp_path / "chat.db"))
    database = await Database.open(f"sqlite:///{path}")
    session = await SqlConversationStore(database, clock=lambda: LONG_AGO).create_session("1", "t")
    await SqlAuditTrail(database, clock=lambda: LONG_AGO).exports("1", session.id, "json")
    await database.close()

    async with open_service(Settings(data_dir=tmp_path, llm_provider=ProviderName.MOCK, **settings)) as service:
        await service.database.opened()
        await service.housekeeping.tidy()
        with closing(sqlite3.connect(path)) as connection:
            counted = connection.execute("SELECT (SELECT count(*) FROM audit), (SELECT count(*) FROM sessions)")
            assert counted.fetchone() == left


@pytest.mark.parametrize(("context", "most"), [(None, 32_768), (8_192, 8_192), (1_000, 1_000)])
async def test_no_output_of_a_tool_takes_more_than_a_quarter_of_the_context(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, context: int | None, most: int
) -> None:
    caps: list[int] = []

    class Watched(McpToolbox):
        def __init__(self, *arguments: Any, output_bytes: int, **more: Any) -> None:
            caps.append(output_bytes)
            super().__init__(*arguments, output_bytes=output_bytes, **more)

    monkeypatch.setattr(app, "McpToolbox", Watched)
    async with open_service(Settings(data_dir=tmp_path, llm_provider=ProviderName.MOCK, llm_context_tokens=context)):
        assert caps == [most]


async def test_an_edit_of_a_tool_servers_policy_is_in_the_audit_trail_whatever_was_once_before(
    tmp_path: Path, migrated_database: Path
) -> None:
    path = Path(shutil.copy(migrated_database, tmp_path / "chat.db"))
    file = tmp_path / "mcp-servers.json"
    settings = Settings(data_dir=tmp_path, mcp_servers_file=file, llm_provider=ProviderName.MOCK)

    def write(policy: str) -> None:
        server = {"command": "never-started", "enabled": False, "policy": policy}
        file.write_text(json.dumps({"mcpServers": {"files": server}}))

    def told() -> list[str]:
        with closing(sqlite3.connect(path)) as connection:
            changes = "SELECT details FROM audit WHERE action = 'policy_changed' ORDER BY pk"
            rows = connection.execute(changes).fetchall()
        return [json.loads(details)["policy"] for (details,) in rows]

    await asyncio.to_thread(write, "deny")
    async with open_service(settings) as service:
        await eventually(lambda: told() == ["deny"])
        for policies in (["deny", "auto"], ["deny", "auto", "deny"]):
            await asyncio.to_thread(write, policies[-1])
            await service.toolbox.refresh()
            await eventually(lambda: told() == policies)  # noqa: B023
    async with open_service(settings) as service:
        await service.toolbox.refresh()
        assert told() == ["deny", "auto", "deny"]


async def test_files_that_were_never_sent_are_gone_after_a_start(tmp_path: Path, migrated_database: Path) -> None:
    path = Path(shutil.copy(migrated_database, tmp_path / "chat.db"))
    database = await Database.open(f"sqlite:///{path}")
    long_ago = SqlFileStore(database, clock=lambda: LONG_AGO)
    await long_ago.keep(NewFile("plan.txt", "text/plain", b"EXPLAIN"))
    await database.close()

    async with open_service(Settings(data_dir=tmp_path, llm_provider=ProviderName.MOCK)) as service:
        keeping = asyncio.create_task(service.keep_house())
        with closing(sqlite3.connect(path)) as connection:
            await eventually(lambda: connection.execute("SELECT count(*) FROM blobs").fetchone() == (0,))
        keeping.cancel()
        await asyncio.wait({keeping})
