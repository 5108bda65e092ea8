"""Whatever goes wrong becomes one shape of JSON: `{"error", "code", "request_id"}`."""

from __future__ import annotations

from http import HTTPStatus

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Struct

from aichat_backend.api.json import json_response
from aichat_backend.api.observation import request_id_of
from aichat_backend.errors import ChatError

_log = structlog.get_logger(__name__)


class ErrorAnswer(Struct, frozen=True):
    """A failure as the client sees it."""

    error: str
    code: str
    request_id: str


@web.middleware
async def errors_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer errors as JSON; what was not expected is logged with its traceback and told as "internal error"."""
    try:
        return await handler(request)
    except ChatError as error:
        if error.detail:
            _log.warning("request_failed", code=error.code, detail=error.detail)
        elif error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            # We are stopping, or what broke was logged where it broke.
            _log.info("request_failed", code=error.code)
        answer = _answer(request, error.status, error.message, error.code)
        if error.retry_after is not None:
            answer.headers["Retry-After"] = str(error.retry_after)
        return answer
    except web.HTTPException as error:
        code = HTTPStatus(error.status).name.lower()
        answer = _answer(request, error.status, HTTPStatus(error.status).phrase, code)
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
        return answer
    except Exception:  # noqa: BLE001 - the client gets an answer whatever happened
        _log.exception("request_crashed")
        return _answer(request, 500, "Something went wrong on the server.", ChatError.code)


def _answer(request: web.Request, status: int, message: str, code: str) -> web.Response:
    return json_response(ErrorAnswer(message, code, request_id_of(request)), status=status)
