"""Policies of tool servers."""

from __future__ import annotations

from typing import Any

import msgspec

from aichat_backend.chat.tools import ServerPolicy, ToolPolicy

_FILES = ServerPolicy(
    server="files",
    entry_digest="first",
    enabled=True,
    trusted=False,
    default=ToolPolicy.ASK,
    by_tool={"write_*": ToolPolicy.DENY},
    read_only=("read_*",),
)


def policy(**differences: Any) -> ServerPolicy:
    """A policy that says something on everything."""
    return msgspec.structs.replace(_FILES, **differences)
