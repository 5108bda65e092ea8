"""What `npx` leaves behind when it is ended while it installs a package: it would not start by itself ever again.

It installs into a folder of its own, `_npx/…` in npm's cache, and writes `package.json` there when all the rest is in
place (libnpmexec and arborist, npm 9 to 11). Without that file it takes what lies there for the whole package, and the
server's program ends with "Cannot find package".
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from aichat_backend.mcp.child import child_environment
from aichat_backend.mcp.entries import Command

_PROGRAMS = ("npx", "npm")
_CACHE_VARIABLE = "npm_config_cache"

_log = structlog.get_logger(__name__)


class NpxInstallations:
    """Clears what an earlier start has left half installed, while nobody of us installs anything."""

    def __init__(self, ours: Mapping[str, str]) -> None:
        """`ours` is the environment of this process."""
        self._ours = ours
        self._under_way = 0
        self._beginning = asyncio.Lock()

    @asynccontextmanager
    async def start_of(self, command: Command) -> AsyncIterator[None]:
        """Around a server's start, until it answers or its process is gone; of interest only if npx starts it."""
        if Path(command.command).name not in _PROGRAMS:
            yield
            return
        async with self._beginning:
            if not self._under_way:
                await asyncio.to_thread(_clear, npm_cache(command, self._ours) / "_npx")
            self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1


def npm_cache(command: Command, ours: Mapping[str, str]) -> Path:
    """Where npm keeps what it downloads, as the server that is started will see it."""
    environment = child_environment(command.environment, ours)
    named = {name.lower(): value for name, value in environment.items()}.get(_CACHE_VARIABLE)
    return Path(named) if named else Path(environment.get("HOME") or "~").expanduser() / ".npm"


def _clear(installations: Path) -> None:
    for folder in installations.glob("*/"):
        if _is_whole(folder):
            continue
        try:
            shutil.rmtree(folder)
        except OSError as error:
            _log.warning("npx_remains_not_removed", folder=str(folder), problem=str(error))
        else:
            _log.info("npx_remains_removed", folder=str(folder))


def _is_whole(folder: Path) -> bool:
    try:
        json.loads((folder / "package.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    except OSError:
        # Whatever npx makes of what cannot be read, it is not ours to remove.
        return True
    return True
