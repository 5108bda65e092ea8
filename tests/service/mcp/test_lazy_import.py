"""Nobody pays for the SDK who has no tool server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from fakes.processes import STARTS_PROCESSES

pytestmark = STARTS_PROCESSES

ASK_WHAT_IS_IMPORTED = """
import asyncio, sys
from pathlib import Path
from aichat_backend.chat.tools import NoTools
from aichat_backend.mcp.toolbox import McpToolbox
from aichat_backend.telemetry.metrics import Metrics

class Trail:
    async def note(self, in_force):
        pass

async def main():
    toolbox = McpToolbox(Path(sys.argv[1]), pins=None, policies=Trail(), metrics=Metrics(), timeout=1, output_bytes=9)
    await toolbox.start()
    await toolbox.settled(10)
    print(len(toolbox.servers()), sorted({"mcp", "mcp_types", "httpx2", "anyio", "pydantic"} & sys.modules.keys()))
    await toolbox.aclose()

asyncio.run(main())
"""


def test_servers_that_are_switched_off_import_no_sdk(tmp_path: Path) -> None:
    file = tmp_path / "mcp-servers.json"
    file.write_text(json.dumps({"servers": [{"name": "off", "command": "x", "enabled": False}]}))

    ran = subprocess.run(
        [sys.executable, "-I", "-c", ASK_WHAT_IS_IMPORTED, str(file)], capture_output=True, text=True, check=True
    )

    assert ran.stdout.strip() == "1 []"
