"""Anthropic's errors, as HTTP answers and as events within a stream, by what the caller can do about them."""

from __future__ import annotations

from collections.abc import Mapping

from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.failures import Scrubber, connection_failure, failure_by_status
from aichat_backend.providers.told_errors import Complaint, error_answer, error_in_stream

_BY_CODE: Mapping[str, ProviderFailure] = {
    # Nothing left to spend: waiting does not help, whoever looks after the key must act.
    "contract_spend_limit_reached": ProviderFailure.AUTH,
    "enforced_spend_limit_reached": ProviderFailure.AUTH,
    "linked_organization_spend_limit_reached": ProviderFailure.AUTH,
    "organization_on_hold": ProviderFailure.AUTH,
    "request_body_too_large_after_decoding": ProviderFailure.CONTEXT_LENGTH,
}

_BY_TYPE: Mapping[str, ProviderFailure] = {
    "authentication_error": ProviderFailure.AUTH,
    "permission_error": ProviderFailure.AUTH,
    "billing_error": ProviderFailure.AUTH,
    "not_found_error": ProviderFailure.BAD_REQUEST,
    "invalid_request_error": ProviderFailure.BAD_REQUEST,
    "request_too_large": ProviderFailure.CONTEXT_LENGTH,
    "rate_limit_error": ProviderFailure.RATE_LIMITED,
    "timeout_error": ProviderFailure.TIMEOUT,
    "overloaded_error": ProviderFailure.OVERLOADED,
    "api_error": ProviderFailure.UNAVAILABLE,
}

_BY_PHRASE: Mapping[str, ProviderFailure] = {
    "prompt is too long": ProviderFailure.CONTEXT_LENGTH,
    "exceed context limit": ProviderFailure.CONTEXT_LENGTH,
    "content filtering policy": ProviderFailure.CONTENT_FILTER,
    "credit balance is too low": ProviderFailure.AUTH,
}
"""What an `invalid_request_error` says when it is more than that."""


def stream_failure(error: object, scrub: Scrubber) -> ProviderError:
    """An error event that came in the middle of a stream that had begun well."""
    return error_in_stream(error, _meaning, scrub)


def sdk_failure(error: Exception, *, model: str, address: str, scrub: Scrubber) -> ProviderError:
    """An error of the SDK. It is imported, or it could not have raised anything."""
    from anthropic import APIConnectionError, APIStatusError

    if isinstance(error, APIConnectionError):
        return connection_failure(error, scrub)
    if isinstance(error, APIStatusError):
        return error_answer(error, _meaning, model=model, address=address, scrub=scrub)
    return ProviderError(ProviderFailure.PROTOCOL, scrub(f"{type(error).__name__}: {error}"))


def _meaning(complaint: Complaint, status: int | None) -> ProviderFailure:
    said = complaint.message.lower()
    by_words = _BY_CODE.get(complaint.code) or next(
        (failure for phrase, failure in _BY_PHRASE.items() if phrase in said), None
    )
    by_type = by_words or _BY_TYPE.get(complaint.type)
    if by_type is not None:
        return by_type
    return ProviderFailure.UNAVAILABLE if status is None else failure_by_status(status)
