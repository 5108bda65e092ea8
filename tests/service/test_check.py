"""What `check` finds about settings, database and provider; and that it changes nothing."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from pathlib import Path

import pytest

from aichat_backend.app import open_service
from aichat_backend.check import Verdict, check_all
from aichat_backend.config.loading import load_settings
from fakes.fake_grafana import fake_grafana
from fakes.fake_openai import fake_openai
from fakes.future import COMPATIBLE, upgrade_to_the_future
from fakes.openai_wire import failure
from fakes.processes import STARTS_PROCESSES
from fakes.program import free_port

pytestmark = STARTS_PROCESSES

CANARY = "sk-canary-77aa"


def files_in(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


async def verdicts(data: Path, **environment: str) -> dict[str, Verdict]:
    given = {
        "AICHAT_LLM_PROVIDER": "mock",
        "AICHAT_MOCK_DELAY_MS": "0",
        "AICHAT_DATA_DIR": str(data),
        "AICHAT_MCP_SERVERS_FILE": str(data / "mcp-servers.json"),
    } | environment
    found = {verdict.subject: verdict for verdict in await check_all(load_settings(given, None), given)}
    assert [subject for subject in found if subject != "login"] == ["settings", "database", "provider", "tools"]
    for verdict in found.values():
        assert str(verdict).isprintable(), "a verdict must be one line"
        assert CANARY not in str(verdict)
    return found


async def test_all_is_well_before_the_first_start_and_no_file_is_made(tmp_path: Path) -> None:
    found = await verdicts(tmp_path)
    assert all(verdict.well for verdict in found.values())
    assert found["database"].finding == f"is created in {tmp_path} when the service starts for the first time"
    assert found["provider"].finding.startswith("mock mock answered in ")
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("scheme", ["sqlite", "sqlite+aiosqlite"])
async def test_no_file_is_made_in_whatever_form_the_url_is_given(tmp_path: Path, scheme: str) -> None:
    found = await verdicts(tmp_path, AICHAT_DATABASE_URL=f"{scheme}:///{tmp_path}/other.db")
    assert found["database"].well
    assert files_in(tmp_path) == []


async def test_a_database_in_use_is_asked_and_left_as_it_is(tmp_path: Path) -> None:
    settings = load_settings({"AICHAT_LLM_PROVIDER": "mock", "AICHAT_DATA_DIR": str(tmp_path)}, None).settings
    async with open_service(settings):
        found = await verdicts(tmp_path)
    assert (found["database"].well, found["database"].finding) == (True, f"SQLite in {tmp_path / 'chat.db'} answers")


async def test_an_older_schema_is_told_and_not_upgraded(tmp_path: Path) -> None:
    file = tmp_path / "chat.db"
    sqlite3.connect(file).close()
    found = await verdicts(tmp_path)
    assert (found["database"].well, found["database"].finding) == (
        True,
        f"SQLite in {tmp_path / 'chat.db'} answers; its schema is upgraded at the next start",
    )


async def test_a_newer_schema_is_a_failure_as_it_would_be_at_the_start(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "chat.db")
    connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
    connection.execute("INSERT INTO alembic_version VALUES ('9999')")
    connection.commit()
    connection.close()
    found = await verdicts(tmp_path)
    assert not found["database"].well
    assert "newer version" in found["database"].finding


async def test_a_newer_schema_that_this_version_can_use_is_told(tmp_path: Path, migrated_database: Path) -> None:
    file = await asyncio.to_thread(shutil.copyfile, migrated_database, tmp_path / "chat.db")
    await upgrade_to_the_future(f"sqlite:///{file}", tmp_path, COMPATIBLE)
    found = await verdicts(tmp_path)
    assert (found["database"].well, found["database"].finding) == (
        True,
        f"SQLite in {file} answers; its schema was made by a newer version and is usable by this one",
    )


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "chat.db").write_text("nothing that SQLite wrote\n" * 100)
    found = await verdicts(tmp_path)
    assert not found["database"].well
    assert "is not a SQLite database" in found["database"].finding


@pytest.mark.parametrize(
    ("environment", "remedy"),
    [({}, "set AICHAT_DATA_DIR"), ({"AICHAT_DATABASE_URL": "sqlite:////none/such/chat.db"}, "set AICHAT_DATABASE_URL")],
)
async def test_a_missing_folder_names_the_setting(tmp_path: Path, environment: dict[str, str], remedy: str) -> None:
    found = await verdicts(tmp_path / "missing", **environment)
    assert not found["database"].well
    assert "does not exist" in found["database"].finding
    assert found["database"].finding.endswith(remedy)


@pytest.mark.parametrize(
    "url", [f"mysql://u:{CANARY}@h/d", f"postgresql://u:{CANARY}@h/d", "sqlite://", "sqlite:///:memory:", "x://"]
)
async def test_a_database_that_this_version_cannot_use(tmp_path: Path, url: str) -> None:
    found = await verdicts(tmp_path, AICHAT_DATABASE_URL=url)
    assert not found["database"].well
    assert files_in(tmp_path) == []


async def test_what_looks_odd_in_the_settings_is_a_failure(tmp_path: Path) -> None:
    found = await verdicts(tmp_path, AICHAT_LLM_MODLE="x")
    assert not found["settings"].well
    assert "did you mean AICHAT_LLM_MODEL?" in found["settings"].finding


async def test_a_provider_without_key(tmp_path: Path) -> None:
    found = await verdicts(tmp_path, AICHAT_LLM_PROVIDER="openai")
    assert not found["provider"].well
    assert "set AICHAT_API_KEY" in found["provider"].finding


async def test_a_provider_that_answers(tmp_path: Path) -> None:
    async with fake_openai() as upstream:
        found = await verdicts(
            tmp_path, AICHAT_LLM_PROVIDER="openai", AICHAT_API_KEY=CANARY, AICHAT_LLM_BASE_URL=upstream.base_url
        )
        assert found["provider"].well
        assert upstream.last.body["model"] == "gpt-4o-mini"


async def test_a_provider_that_refuses_the_key(tmp_path: Path) -> None:
    async with fake_openai() as upstream:
        upstream.script(failure(401, f"Incorrect API key provided: {CANARY}"))
        found = await verdicts(
            tmp_path, AICHAT_LLM_PROVIDER="openai", AICHAT_API_KEY=CANARY, AICHAT_LLM_BASE_URL=upstream.base_url
        )
    assert not found["provider"].well
    assert "check the API key" in found["provider"].finding


async def test_a_provider_that_cannot_be_reached(tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{free_port()}/v1"
    found = await verdicts(tmp_path, AICHAT_LLM_PROVIDER="openai", AICHAT_API_KEY=CANARY, AICHAT_LLM_BASE_URL=address)
    assert not found["provider"].well
    assert "could not be reached" in found["provider"].finding


async def test_grafana_is_asked_where_callers_are_known_by_it(tmp_path: Path) -> None:
    assert "login" not in await verdicts(tmp_path)
    async with fake_grafana() as grafana:
        found = await verdicts(tmp_path, AICHAT_IDENTITY="grafana", AICHAT_GRAFANA_URL=grafana.url)
    assert (found["login"].well, found["login"].finding) == (True, f"Grafana at {grafana.url} answers")


async def test_a_grafana_that_cannot_be_reached(tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{free_port()}/graph"
    found = await verdicts(tmp_path, AICHAT_IDENTITY="grafana", AICHAT_GRAFANA_URL=address)
    assert not found["login"].well
    assert "Cannot connect" in found["login"].finding
    assert found["login"].finding.endswith("; AICHAT_GRAFANA_URL says where it is")


async def test_the_tool_servers_of_the_file_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "mcp-servers.json"
    file.write_text('{"mcpServers": {"a": {"command": "a"}, "b": {"url": "http://b.test/mcp", "enabled": false}}}')
    found = await verdicts(tmp_path)
    assert (found["tools"].well, found["tools"].finding) == (True, f"1 of 2 servers enabled in {file}")


@pytest.mark.parametrize(
    ("content", "culprit"),
    [
        ("{", "line 1"),
        ('{"servers": [{"name": "a"}]}', "a"),
        ('{"servers": [{"name": "a", "command": "x", "env": {"KEY": "${env:NOT_SET}"}}]}', "NOT_SET"),
        ('{"servers": [{"name": "a", "command": "x", "comand": "y"}]}', "comand"),
        ('{"servers": [{"name": "a", "command": "x", "env": {"KEY": "${file:/no/such/file}"}}]}', "/no/such/file"),
    ],
)
async def test_what_is_wrong_or_odd_in_the_file_is_named(tmp_path: Path, content: str, culprit: str) -> None:
    (tmp_path / "mcp-servers.json").write_text(content)
    found = await verdicts(tmp_path)
    assert not found["tools"].well
    assert culprit in found["tools"].finding


async def test_tool_servers_may_refer_to_the_service_s_environment(tmp_path: Path) -> None:
    (tmp_path / "mcp-servers.json").write_text(
        '{"servers": [{"name": "a", "command": "x", "env": {"KEY": "${env:PMM_TOKEN}"}}]}'
    )
    assert (await verdicts(tmp_path, PMM_TOKEN=CANARY))["tools"].well
