"""What the program is called, and where it looks for its files."""

from __future__ import annotations

from pathlib import Path

PROGRAM = "aichat-backend"

DEFAULT_FILE = Path("/etc/aichat-backend/config.yaml")
DEFAULT_INI = Path("/etc/supervisord.d/ai-chat.ini")
