"""Errors as OpenAI's servers and Anthropic's tell them: alike in all but what their names mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.failures import Scrubber, answered, in_words, redirect_failure, seconds_to_wait

if TYPE_CHECKING:
    from httpx2 import Response

_STATUS_CODE = re.compile(r"[1-5][0-9]{2}")


class Complaint(Struct, frozen=True):
    """What an error object says, whatever shape it came in."""

    message: str
    type: str = ""
    code: str = ""


Meaning = Callable[[Complaint, int | None], ProviderFailure]
"""What a vendor means by a complaint, and by the HTTP status if that is known."""


class StatusError(Protocol):
    """An error of either SDK that says what the server answered."""

    @property
    def status_code(self) -> int:
        """Of the answer."""

    @property
    def body(self) -> object:
        """As far as it was JSON, decoded."""

    @property
    def response(self) -> Response:
        """The answer."""


def read_complaint(error: object) -> Complaint:
    """The words of `{"error": {…}}`, or of what is sent in its place.

    Some servers give a plain string there, some a number as the code, and Anthropic has it among details.
    """
    if not isinstance(error, Mapping):
        return Complaint(str(error) if error else "no message")
    nested = error.get("error")
    if isinstance(nested, Mapping | str):
        return read_complaint(nested)
    code = error.get("code")
    if code is None and isinstance(details := error.get("details"), Mapping):
        code = details.get("error_code")
    return Complaint(_text(error.get("message")) or "no message", _text(error.get("type")), _text(code))


def error_in_stream(error: object, meaning: Meaning, scrub: Scrubber) -> ProviderError:
    """An error object that came in the middle of a stream that had begun well."""
    complaint = read_complaint(error)
    status = int(complaint.code) if _STATUS_CODE.fullmatch(complaint.code) else None
    return ProviderError(meaning(complaint, status), scrub(_said("in the stream", complaint)))


def error_answer(error: StatusError, meaning: Meaning, *, model: str, address: str, scrub: Scrubber) -> ProviderError:
    """An HTTP answer that is no answer of a model."""
    status, headers = error.status_code, error.response.headers
    if status < HTTPStatus.BAD_REQUEST:
        return redirect_failure(status, headers.get("location"), address=address, scrub=scrub)
    complaint = read_complaint(error.body)
    return ProviderError(
        meaning(complaint, status),
        scrub(_said(answered(status, model=model, address=address), complaint)),
        retry_after=seconds_to_wait(headers.get("retry-after")),
    )


def _said(where: str, complaint: Complaint) -> str:
    return in_words(where, complaint.message, complaint.type, complaint.code)


def _text(value: object) -> str:
    return "" if value is None else str(value)
