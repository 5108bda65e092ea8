"""What can go wrong, typed by what the caller can do about it.

Every error that may reach a client carries an HTTP status, a stable machine-readable code and one sentence that is
safe to show: no provider body, key, SQL or path of this server.
"""

from __future__ import annotations

from enum import StrEnum


class ChatError(Exception):
    """An expected failure that is answered as `{"error", "code", "request_id"}`."""

    status: int = 500
    code: str = "internal_error"

    def __init__(
        self, message: str, *, code: str | None = None, retry_after: int | None = None, detail: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        """What is for the log alone: it may quote a provider or the database."""
        self.retry_after = retry_after
        """Seconds after which trying again makes sense; sent as `Retry-After`."""
        if code is not None:
            self.code = code


class InvalidRequest(ChatError):
    """The request must be changed before it can succeed."""

    status = 400
    code = "invalid_request"


class Unauthenticated(ChatError):
    """The proxy sent no identity, or not exactly one valid one."""

    status = 401
    code = "unauthenticated"


class Forbidden(ChatError):
    """The caller is known, and may not do this."""

    status = 403
    code = "forbidden"


class NotFound(ChatError):
    """Missing, or not the caller's: the two look the same."""

    status = 404
    code = "not_found"


class TooSlow(ChatError):
    """The request did not arrive in time."""

    status = 408
    code = "request_timeout"


class Conflict(ChatError):
    """The request does not fit the present state; try again when that has changed."""

    status = 409
    code = "conflict"


class PayloadTooLarge(ChatError):
    """The body, or one of its fields, is over its limit."""

    status = 413
    code = "payload_too_large"


class UnsupportedMediaType(ChatError):
    """The body's type cannot be read here."""

    status = 415
    code = "unsupported_media_type"


class Impossible(ChatError):
    """The request is well-formed, and this server cannot fulfil it."""

    status = 422
    code = "unprocessable"


class TooManyRequests(ChatError):
    """A limit of this user is reached; slow down."""

    status = 429
    code = "too_many_requests"


class Unavailable(ChatError):
    """The service cannot do this now: it is stopping, or something it needs is away."""

    status = 503
    code = "unavailable"


class ToolsUnavailable(Unavailable):
    """No server of the tools that the user approved can be reached; the approval still waits."""

    code = "tools_unavailable"


class TakenOver(ChatError):
    """The run is no longer this process's: its session was deleted, or another process took this one for dead."""

    status = 503
    code = "answer_interrupted"

    def __init__(self) -> None:
        super().__init__(
            "The answer was interrupted: its conversation was deleted, or the server did not keep up. Reload the "
            "conversation to see what is kept of it."
        )


class ProviderFailure(StrEnum):
    """Why a model call failed."""

    NOT_CONFIGURED = "not_configured"
    AUTH = "auth"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    CONTEXT_LENGTH = "context_length"
    CONTENT_FILTER = "content_filter"
    BAD_REQUEST = "bad_request"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    PROTOCOL = "protocol"


_ANSWERS: dict[ProviderFailure, tuple[int, str]] = {
    ProviderFailure.NOT_CONFIGURED: (
        503,
        "The AI provider is not configured. An administrator needs to set the API key.",
    ),
    ProviderFailure.AUTH: (
        502,
        "The AI provider refused our credentials. An administrator needs to check the API key.",
    ),
    ProviderFailure.RATE_LIMITED: (503, "The AI provider's rate limit is reached. Try again in a little while."),
    ProviderFailure.OVERLOADED: (503, "The AI provider is overloaded. Try again in a little while."),
    ProviderFailure.CONTEXT_LENGTH: (422, "The conversation is too long for this model. Start a new session."),
    ProviderFailure.CONTENT_FILTER: (422, "The AI provider's content filter declined this request."),
    ProviderFailure.BAD_REQUEST: (
        502,
        "The AI provider did not accept our request. An administrator needs to check the model's settings.",
    ),
    ProviderFailure.UNAVAILABLE: (502, "The AI provider could not be reached. Try again in a little while."),
    ProviderFailure.TIMEOUT: (504, "The AI provider did not answer in time. Try again."),
    ProviderFailure.PROTOCOL: (502, "The AI provider's answer could not be understood. Try again."),
}


class ProviderError(ChatError):
    """A model call failed; `detail` says how."""

    def __init__(self, failure: ProviderFailure, detail: str, *, retry_after: int | None = None) -> None:
        status, sentence = _ANSWERS[failure]
        super().__init__(sentence, code=f"provider_{failure.value}", retry_after=retry_after, detail=detail)
        self.failure = failure
        self.status = status

    def __str__(self) -> str:
        return f"{self.failure.value}: {self.detail}"
