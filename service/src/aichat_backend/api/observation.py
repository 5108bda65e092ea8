"""Each request gets an id, a log line and its place in the metrics."""

from __future__ import annotations

import asyncio
import re
import secrets
from time import monotonic

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from structlog.contextvars import bound_contextvars

from aichat_backend.telemetry.metrics import Metrics

REQUEST_ID_HEADER = "X-Request-ID"
_CLIENT_LEFT = 499
"""As nginx counts them: who asked did not wait for the end."""

_GIVEN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_request_id_key = web.RequestKey("request_id", str)
_log = structlog.get_logger(__name__)


def request_id_of(request: web.Request) -> str:
    """The id under which the log tells about this request."""
    return request[_request_id_key]


def observation_middleware(metrics: Metrics) -> Middleware:
    """Number, log and count every request. A request id that the proxy sends is kept."""

    @web.middleware
    async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get(REQUEST_ID_HEADER, "")
        request_id = given if _GIVEN_ID.fullmatch(given) else secrets.token_urlsafe(12)
        request[_request_id_key] = request_id
        started = monotonic()
        with bound_contextvars(request_id=request_id):
            try:
                response = await handler(request)
            except asyncio.CancelledError:
                _record(request, _CLIENT_LEFT, monotonic() - started)
                raise
            if not response.prepared:
                response.headers[REQUEST_ID_HEADER] = request_id
            seconds = monotonic() - started
            # The answer goes out first: whoever waits for it need not wait for the log as well.
            asyncio.get_running_loop().call_soon(_record, request, response.status, seconds)
            if response.content_type != "text/event-stream":
                metrics.latency.labels(_route(request)).observe(seconds)
        return response

    def _record(request: web.Request, status: int, seconds: float) -> None:
        route = _route(request)
        metrics.requests.labels(request.method, route, status).inc()
        _log.info("request", method=request.method, route=route, status=status, milliseconds=round(seconds * 1000, 1))

    return observe


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"
