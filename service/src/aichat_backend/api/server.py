"""How aiohttp serves us: what is set on its server, and what its log says of bytes that are no request."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from aiohttp.http_exceptions import HttpProcessingError

log = logging.getLogger("aichat_backend.http")

SERVER_OPTIONS: Mapping[str, Any] = {
    # Every request is logged by us, with its route instead of its path.
    "access_log": None,
    # Compressed bodies are refused as such: unpacking them is work that a small request could make big.
    "auto_decompress": False,
    # nginx takes headers of this length, and passes all cookies on when it asks us who calls.
    "max_field_size": 65_536,
    "logger": log,
}
"""What every runner of the application is made with."""


class _WithoutTheirBytes(logging.Filter):
    """Makes one quiet line of a malformed request: anyone can send one, and the error quotes what was sent."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep every record."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
            record.msg, record.args, record.exc_info = "malformed_request", (), None
        return True


log.addFilter(_WithoutTheirBytes())
