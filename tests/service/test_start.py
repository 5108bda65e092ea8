"""What is loaded when: the start waits for nothing that it does not need, nor does the first question."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from fakes.processes import STARTS_PROCESSES
from fakes.program import Service, free_port

pytestmark = STARTS_PROCESSES

NEEDED = {"aiohttp.web", "uvloop", "sqlalchemy", "structlog", "prometheus_client"}
FOR_LATER = {"openai", "anthropic", "google.genai", "mcp", "httpx2", "alembic", "pypdf", "yaml", "pydantic"}


class Start:
    """A process that tells what it imports, amid its log."""

    def __init__(self, output: Iterator[str]) -> None:
        self._output = output
        self.imported: set[str] = set()

    def read_until(self, condition: Callable[[str], bool]) -> None:
        """Gather what is imported up to the line that fits."""
        for line in self._output:
            if line.startswith("import time:"):
                self.imported.add(line.rpartition("|")[2].strip())
            if condition(line):
                return
        raise AssertionError("it ended before")


@contextmanager
def starting(data: Path, **environment: str) -> Iterator[Start]:
    given = {
        "PATH": os.environ["PATH"],
        "PYTHONPROFILEIMPORTTIME": "1",
        "AICHAT_PORT": str(free_port()),
        "AICHAT_DATA_DIR": str(data),
        "AICHAT_API_KEY": "sk-some-key",
        **environment,
    }
    command = [sys.executable, "-m", "aichat_backend", "--env-only"]
    process = subprocess.Popen(command, env=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    with closing(process.stdout):
        try:
            yield Start(iter(process.stdout))
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Of a service that has run before."""
    with Service(tmp_path):
        pass
    return tmp_path


@pytest.mark.parametrize(
    ("provider", "its_sdk"), [("openai", "openai"), ("anthropic", "anthropic"), ("gemini", "google.genai")]
)
def test_it_listens_before_it_loads_any_sdk_and_then_loads_what_its_settings_name(
    data: Path, provider: str, its_sdk: str
) -> None:
    servers = data / "mcp-servers.json"
    servers.write_text(json.dumps({"mcpServers": {"silent": {"command": "cat"}}}))
    with starting(data, AICHAT_LLM_PROVIDER=provider, AICHAT_MCP_SERVERS_FILE=str(servers)) as start:
        start.read_until(lambda line: '"event": "listening"' in line)
        assert NEEDED - start.imported == set()
        assert start.imported & FOR_LATER == set()

        start.read_until(lambda _: {its_sdk, "mcp"} <= start.imported)

        assert start.imported & {"openai", "anthropic", "google.genai"} == {its_sdk}


def test_with_nothing_to_load_it_loads_nothing(data: Path) -> None:
    with Service(data, PYTHONPROFILEIMPORTTIME="1") as service:
        assert service.ask("hello").status == 200
        # Whatever would be loaded a moment after the start is loaded at the latest when it is asked for.
        assert service.request("GET", "/v1/chat/mcp/tools?force_refresh=true").status == 200
        imported = {line.rpartition("|")[2].strip() for line in service.errors().splitlines()}

    assert NEEDED - imported == set()
    assert imported & FOR_LATER == set()
