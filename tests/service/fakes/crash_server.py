"""A server process that is killed and started again, on the same port and with the same data."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from pathlib import Path
from time import monotonic
from typing import Any

from fakes.mcp_processes import Program
from fakes.program import PATIENCE, free_port

TOOLS = [
    {"name": name, "description": "Writes down an id.", "inputSchema": {"type": "object", "properties": {}}}
    for name in ("record", "record_asked")
]
_BETWEEN_LOOKS = 0.01
_NURSERY = Path(__file__).with_name("crash_nursery.py")


class CrashServer:
    """Mock provider with pauses, and a tool server over stdio that writes down each of its calls."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self._port = free_port()
        self._program = Program(folder / "notes", {"tools": TOOLS})
        entry = {**self._program.entry, "read_only": ["record"], "tools": {"record_asked": "ask"}}
        servers = folder / "mcp-servers.json"
        servers.write_text(json.dumps({"mcpServers": {"t": entry}}))
        self._environment = {
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
            "AICHAT_PORT": str(self._port),
            "AICHAT_DATA_DIR": str(folder),
            "AICHAT_DATABASE_URL": database_url,
            "AICHAT_LLM_PROVIDER": "mock",
            "AICHAT_MOCK_DELAY_MS": "10",
            "AICHAT_MCP_SERVERS_FILE": str(servers),
            "AICHAT_MAX_MESSAGES_PER_MINUTE": "100000",
            "AICHAT_MAX_FILES_PER_HOUR": "100000",
        }
        self.log = folder / "log"
        self.log.touch()
        self._log_begins = 0
        self._nursery: Process | None = None
        self._pid = 0
        self._ended: asyncio.Task[bytes] | None = None
        """Its exit status, as a line; none when no process was started yet."""
        self.killed_at = monotonic()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._port}/v1/chat"

    def executions(self) -> Counter[str]:
        """How often each call was carried out."""
        return Counter(line.split()[1] for line in self._program.noted("ran"))

    async def begin(self) -> None:
        """Start the process."""
        self._log_begins = self.log.stat().st_size
        if self._nursery is None:
            self._nursery = await asyncio.create_subprocess_exec(
                sys.executable, _NURSERY, self.log, env=self._environment, stdin=PIPE, stdout=PIPE
            )
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.stdin.write(b"\n")
        self._pid = int(await self._nursery.stdout.readline())
        self._ended = asyncio.create_task(self._nursery.stdout.readline())

    async def ready(self) -> None:
        """Wait until it listens, and has looked after what the one before it left."""
        await self._until_said(b'"dead_runs_looked_for"')

    async def equipped(self) -> None:
        """Wait until it has its tools."""
        await self._until_said(b'"mcp_server_ready"')

    async def _until_said(self, event: bytes) -> None:
        async with asyncio.timeout(PATIENCE):
            while event not in self._said():
                assert self._ended is not None
                assert not self._ended.done(), self._said()
                await asyncio.sleep(_BETWEEN_LOOKS)

    def _said(self) -> bytes:
        """What the present process has logged."""
        with self.log.open("rb") as log:
            log.seek(self._log_begins)
            return log.read()

    async def kill(self) -> None:
        """End it as the kernel does that is out of memory."""
        if self._ended is not None and not self._ended.done():
            os.kill(self._pid, signal.SIGKILL)
            self.killed_at = monotonic()
            assert int(await self._ended) == -signal.SIGKILL

    async def close(self) -> None:
        """Kill it, and start no other one."""
        await self.kill()
        if self._nursery is not None:
            assert self._nursery.stdin is not None
            self._nursery.stdin.close()
            await self._nursery.wait()

    def complaints(self) -> list[dict[str, Any]]:
        """What it logged as an error."""
        lines = (json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{"))
        return [line for line in lines if line.get("level") == "error"]
