"""JSON in and out: bodies that are checked, answers that are encoded once."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from aiohttp import web

from aichat_backend.errors import InvalidRequest, PayloadTooLarge, UnsupportedMediaType

T = TypeVar("T")

_encoder = msgspec.json.Encoder()


def json_response(value: Any, *, status: int = 200) -> web.Response:
    """The value as JSON; times become RFC 3339."""
    return web.Response(body=_encoder.encode(value), status=status, content_type="application/json")


async def read_json(request: web.Request, model: type[T], *, empty: T | None = None) -> T:
    """The request's body as `model`; `empty` is what a request without a body means, where that is allowed.

    Raises:
        UnsupportedMediaType: the body is compressed, or not JSON in UTF-8.
        PayloadTooLarge: the body is over the application's limit.
        InvalidRequest: the body is broken or not valid JSON, or a field has a wrong type.
    """
    if not request.body_exists and empty is not None:
        return empty
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("The body must be sent as it is, without Content-Encoding.")
    if request.content_type != "application/json" or (request.charset or "utf-8").lower() not in ("utf-8", "utf8"):
        raise UnsupportedMediaType("The body must be sent as Content-Type: application/json, in UTF-8.")
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise PayloadTooLarge("The request's body is too large.") from error
    except web.RequestPayloadError as error:
        raise InvalidRequest("The body does not arrive as its headers say.") from error
    if not body and empty is not None:
        return empty
    try:
        return msgspec.json.decode(body.decode(), type=model)
    except msgspec.ValidationError as error:
        raise InvalidRequest(_named(str(error))) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest("The body is not valid JSON in UTF-8.") from error


def _named(problem: str) -> str:
    """`Expected `str`, got `int` - at `$.message`` with the field in front."""
    text, separator, path = problem.partition(" - at `$")
    field = path.rstrip("`").lstrip(".")
    return f"{field}: {text}" if separator and field else text
