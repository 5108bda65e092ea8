"""The two servers of the scenario `runtime`."""

import os

PACKAGES = "pmm-ai-chat-runtime-packages"
"""Node comes from Debian's packages."""
ARCHIVES = "pmm-ai-chat-runtime-archives"
"""Node, uv and Python come from archives."""

FIRST_START = 600.0
"""Seconds in which a tool server has fetched its package, also on a busy machine; after 180 the service tries again."""


def address(server: str) -> str:
    """Where testinfra finds it."""
    return f"throwaway://{server}{os.environ.get('SERVER_SUFFIX', '')}"
