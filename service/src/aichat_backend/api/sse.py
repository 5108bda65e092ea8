"""An event log as a response that EventSource reads."""

from __future__ import annotations

from aiohttp import web

from aichat_backend.streams.log import EventLog
from aichat_backend.streams.reader import LogReader
from aichat_backend.telemetry.metrics import Metrics

HEARTBEAT_SECONDS = 10.0
"""Silence after which a comment is sent, well within what proxies and the contract's 15 s allow."""

_OPENING = b"retry: 3000\nid: 0\n\n"
"""The id makes EventSource send `Last-Event-ID` also when the connection breaks before the first event."""
_HEARTBEAT = b": heartbeat\n\n"
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}


class EventStreams:
    """Sends logs to readers."""

    def __init__(self, metrics: Metrics, *, heartbeat: float = HEARTBEAT_SECONDS) -> None:
        self._metrics = metrics
        self._heartbeat = heartbeat

    async def send(self, request: web.Request, log: EventLog, *, after: int = 0) -> web.StreamResponse:
        """Send every event after that id, those that are there at once, and end with the terminal one.

        A reader who has them all already gets 204, which tells EventSource to stop reconnecting.
        """
        if log.closed and after >= len(log):
            return web.Response(status=204)
        response = web.StreamResponse(headers=_HEADERS)
        await response.prepare(request)
        with self._metrics.readers.track_inprogress():
            try:
                await self._follow(response, log, after)
            except ConnectionResetError:
                # The reader left; the run goes on.
                return response
        return response

    async def _follow(self, response: web.StreamResponse, log: EventLog, after: int) -> None:
        await response.write(_OPENING)
        with LogReader(log, after=after, patience=self._heartbeat) as reader:
            while not reader.ended:
                await response.write(await reader.read() or _HEARTBEAT)
        await response.write_eof()
