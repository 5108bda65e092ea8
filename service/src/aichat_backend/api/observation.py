"""Each request gets an id, a log line and its place in the metrics."""

from __future__ import annotations

import asyncio
import re
import secrets
from time import monotonic

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from structlog.contextvars import bound_contextvars

from aichat_backend.api.request_log import AnsweredRequest, RequestLog
from aichat_backend.telemetry.metrics import Metrics

REQUEST_ID_HEADER = "X-Request-ID"
_CLIENT_LEFT = 499
"""As nginx counts them: who asked did not wait for the end."""

_GIVEN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_request_id_key = web.RequestKey("request_id", str)


def request_id_of(request: web.Request) -> str:
    """The id under which the log tells about this request."""
    return request[_request_id_key]


def observation_middleware(metrics: Metrics, log: RequestLog) -> Middleware:
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
                record(request, _CLIENT_LEFT, monotonic() - started)
                raise
        if not response.prepared:
            response.headers[REQUEST_ID_HEADER] = request_id
        seconds = monotonic() - started
        record(request, response.status, seconds)
        if response.content_type != "text/event-stream":
            metrics.latency.labels(_route(request)).observe(seconds)
        return response

    def record(request: web.Request, status: int, seconds: float) -> None:
        route = _route(request)
        metrics.requests.labels(request.method, route, status).inc()
        log.note(AnsweredRequest(request_id_of(request), request.method, route, status, seconds))

    return observe


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"
