"""Gemini's errors, as HTTP answers and as objects within a stream, by what the caller can do about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus

from msgspec import Struct

from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.failures import Scrubber, answered, failure_by_status, in_words, seconds_to_wait

_BY_STATUS: Mapping[str, ProviderFailure] = {
    "UNAUTHENTICATED": ProviderFailure.AUTH,
    "PERMISSION_DENIED": ProviderFailure.AUTH,
    "RESOURCE_EXHAUSTED": ProviderFailure.RATE_LIMITED,
    "INVALID_ARGUMENT": ProviderFailure.BAD_REQUEST,
    "FAILED_PRECONDITION": ProviderFailure.BAD_REQUEST,
    "NOT_FOUND": ProviderFailure.BAD_REQUEST,
    "DEADLINE_EXCEEDED": ProviderFailure.TIMEOUT,
    "UNAVAILABLE": ProviderFailure.OVERLOADED,
    "INTERNAL": ProviderFailure.UNAVAILABLE,
}
"""Google's own names of what went wrong."""

_BY_REASON: Mapping[str, ProviderFailure] = {
    "API_KEY_INVALID": ProviderFailure.AUTH,
    "API_KEY_EXPIRED": ProviderFailure.AUTH,
    "BILLING_DISABLED": ProviderFailure.AUTH,
}
"""What an `INVALID_ARGUMENT` or `FAILED_PRECONDITION` is when it is more than that."""

_SAYS_TOO_LONG = ("exceeds the maximum number of tokens", "request payload size exceeds")


class _Complaint(Struct, frozen=True):
    message: str
    status: str = ""
    code: int | None = None
    reason: str = ""
    retry_delay: str | None = None


def stream_failure(error: object, scrub: Scrubber) -> ProviderError:
    """An error object that came in the middle of a stream that had begun well."""
    complaint = _read(error)
    return _failure("in the stream", complaint, complaint.code, complaint.retry_delay, scrub)


def status_failure(
    status: int, body: object, *, retry_after: str | None, model: str, address: str, scrub: Scrubber
) -> ProviderError:
    """An HTTP answer of 400 and above, with its body as far as that was JSON."""
    complaint = _read(body)
    where = answered(status, model=model, address=address)
    return _failure(where, complaint, status, retry_after or complaint.retry_delay, scrub)


def asked_to_wait(body: object, retry_after: str | None) -> int | None:
    """The seconds after which the server wants to be asked again."""
    return _seconds(retry_after or _read(body).retry_delay)


def _failure(
    where: str, complaint: _Complaint, status: int | None, retry_after: str | None, scrub: Scrubber
) -> ProviderError:
    detail = scrub(in_words(where, complaint.message, complaint.status, complaint.reason))
    return ProviderError(_classify(complaint, status), detail, retry_after=_seconds(retry_after))


def _classify(complaint: _Complaint, status: int | None) -> ProviderFailure:
    if complaint.reason in _BY_REASON:
        return _BY_REASON[complaint.reason]
    if any(phrase in complaint.message.lower() for phrase in _SAYS_TOO_LONG):
        return ProviderFailure.CONTEXT_LENGTH
    if complaint.status in _BY_STATUS:
        return _BY_STATUS[complaint.status]
    if status is None or status < HTTPStatus.BAD_REQUEST:
        return ProviderFailure.UNAVAILABLE
    return failure_by_status(status)


def _seconds(given: str | None) -> int | None:
    """Google's durations are seconds with an `s` behind them."""
    return seconds_to_wait(given.removesuffix("s") if given else None)


def _read(error: object) -> _Complaint:
    """The words of `{"error": {…}}`, which some answers put into a list, or of what is sent in its place."""
    if isinstance(error, list) and error:
        return _read(error[0])
    if not isinstance(error, Mapping):
        return _Complaint(str(error) if error else "no message")
    nested = error.get("error")
    if isinstance(nested, Mapping | str):
        return _read(nested)
    reason, retry_delay = "", None
    for detail in _details(error.get("details")):
        reason = str(detail.get("reason") or reason)
        if isinstance(delay := detail.get("retryDelay"), str):
            retry_delay = delay
    code = error.get("code")
    return _Complaint(
        message=str(error.get("message") or "no message"),
        status=str(error.get("status") or ""),
        code=code if isinstance(code, int) else None,
        reason=reason,
        retry_delay=retry_delay,
    )


def _details(details: object) -> Iterator[Mapping[str, object]]:
    if isinstance(details, list):
        yield from (detail for detail in details if isinstance(detail, Mapping))
