"""What the log says of requests."""

from __future__ import annotations

import asyncio

import structlog
from msgspec import Struct

_A_MOMENT = 0.01
"""Seconds. What an answer sets going, such as asking the provider, is under way by then."""

_log = structlog.get_logger(__name__)


class AnsweredRequest(Struct, frozen=True):
    """A request, and how it was answered."""

    request_id: str
    method: str
    route: str
    status: int
    seconds: float


class RequestLog:
    """A line for each request, written a moment after its answer: whoever waits for that need not wait for the log."""

    def __init__(self) -> None:
        self._unwritten: list[AnsweredRequest] = []

    def note(self, request: AnsweredRequest) -> None:
        """Write it in a moment, or with the next `write`."""
        if not self._unwritten:
            asyncio.get_running_loop().call_later(_A_MOMENT, self.write)
        self._unwritten.append(request)

    def write(self) -> None:
        """Write what is not written yet."""
        unwritten, self._unwritten = self._unwritten, []
        for request in unwritten:
            _log.info(
                "request",
                request_id=request.request_id,
                method=request.method,
                route=request.route,
                status=request.status,
                milliseconds=round(request.seconds * 1000, 1),
            )
