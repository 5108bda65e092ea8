"""OpenAI's errors, as HTTP answers and as objects within a stream, by what the caller can do about them."""

from __future__ import annotations

from collections.abc import Mapping

from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.failures import Scrubber, connection_failure, failure_by_status
from aichat_backend.providers.told_errors import Complaint, error_answer, error_in_stream

_BY_CODE: Mapping[str, ProviderFailure] = {
    "invalid_api_key": ProviderFailure.AUTH,
    "authentication_error": ProviderFailure.AUTH,
    "permission_error": ProviderFailure.AUTH,
    # Nothing left to spend: waiting does not help, whoever looks after the key must act.
    "insufficient_quota": ProviderFailure.AUTH,
    "billing_hard_limit_reached": ProviderFailure.AUTH,
    "rate_limit_exceeded": ProviderFailure.RATE_LIMITED,
    "rate_limit_error": ProviderFailure.RATE_LIMITED,
    "context_length_exceeded": ProviderFailure.CONTEXT_LENGTH,
    "exceed_context_size_error": ProviderFailure.CONTEXT_LENGTH,
    "content_filter": ProviderFailure.CONTENT_FILTER,
    "content_policy_violation": ProviderFailure.CONTENT_FILTER,
    "overloaded": ProviderFailure.OVERLOADED,
    "overloaded_error": ProviderFailure.OVERLOADED,
    "server_is_overloaded": ProviderFailure.OVERLOADED,
    "engine_overloaded": ProviderFailure.OVERLOADED,
    "slow_down": ProviderFailure.OVERLOADED,
    "model_not_found": ProviderFailure.BAD_REQUEST,
    "invalid_request_error": ProviderFailure.BAD_REQUEST,
}

_SAYS_TOO_LONG = ("context length", "context window", "context size")
"""How compatible servers that have no code for it say that the conversation is too long."""


def stream_failure(error: object, scrub: Scrubber) -> ProviderError:
    """An error object that came in the middle of a stream that had begun well."""
    return error_in_stream(error, _meaning, scrub)


def sdk_failure(error: Exception, *, model: str, address: str, scrub: Scrubber) -> ProviderError:
    """An error of the SDK. It is imported, or it could not have raised anything."""
    from openai import APIConnectionError, APIStatusError

    if isinstance(error, APIConnectionError):
        return connection_failure(error, scrub)
    if isinstance(error, APIStatusError):
        return error_answer(error, _meaning, model=model, address=address, scrub=scrub)
    return ProviderError(ProviderFailure.PROTOCOL, scrub(f"{type(error).__name__}: {error}"))


def _meaning(complaint: Complaint, status: int | None) -> ProviderFailure:
    by_code = _BY_CODE.get(complaint.code) or _BY_CODE.get(complaint.type)
    if by_code is not None and by_code is not ProviderFailure.BAD_REQUEST:
        return by_code
    if any(phrase in complaint.message.lower() for phrase in _SAYS_TOO_LONG):
        return ProviderFailure.CONTEXT_LENGTH
    if status is None:
        return by_code or ProviderFailure.UNAVAILABLE
    return failure_by_status(status)
