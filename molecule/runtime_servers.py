"""The two servers of the scenario `runtime`."""

import os

PACKAGES = "pmm-ai-chat-runtime-packages"
"""Node comes from Debian's packages."""
ARCHIVES = "pmm-ai-chat-runtime-archives"
"""Node, uv and Python come from archives."""

FIRST_START = 150.0
"""Seconds in which a tool server has fetched its package; what takes longer than 30, the service begins again."""


def address(server: str) -> str:
    """Where testinfra finds it."""
    return f"throwaway://{server}{os.environ.get('SERVER_SUFFIX', '')}"
