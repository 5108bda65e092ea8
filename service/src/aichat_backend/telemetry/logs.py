"""Logs as events with fields, one JSON object a line on standard output, where supervisord collects them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, TextIO

import structlog

REDACTED = "[redacted]"


def configure(level: str, secrets: Iterable[str] = (), stream: TextIO | None = None) -> None:
    """Send all log events, those of libraries too, to `stream` (standard output).

    Args:
        level: the least level that is written.
        secrets: texts that are replaced wherever they turn up.
        stream: where lines go.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _Redactor(secrets),
                _put_first_what_is_read_first,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for chatty in ("alembic", "asyncio", "httpcore2", "httpx2", "openai"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def log_warnings(subject: str, warnings: Iterable[str]) -> None:
    """Log what looked odd before there was a log."""
    for warning in warnings:
        structlog.get_logger(__name__).warning(f"{subject}_warning", problem=warning)


def _put_first_what_is_read_first(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    return {key: event[key] for key in ("timestamp", "level", "event") if key in event} | dict(event)


class _Redactor:
    """Takes known secrets out of every text of an event."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = tuple(secret for secret in secrets if secret)

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for key, value in event.items():
            if isinstance(value, str):
                event[key] = self._clean(value)
            elif not isinstance(value, (int, float, bool, type(None))):
                event[key] = self._clean(repr(value))
        return event

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return text
