"""What every vendor's failures have in common: broken connections, waiting times, and keys that nobody may see."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from aichat_backend.errors import ProviderError, ProviderFailure

_LONGEST_DETAIL = 600
_LONGEST_RETRY_AFTER = 24 * 60 * 60
_LOOKS_LIKE_A_KEY = re.compile(r"\b(?:sk-|AIza|AQ\.)[\w*-]{4,}")
_OVERLOADED_STATUS = 529
_BY_STATUS: Mapping[int, ProviderFailure] = {
    HTTPStatus.UNAUTHORIZED: ProviderFailure.AUTH,
    HTTPStatus.PAYMENT_REQUIRED: ProviderFailure.AUTH,
    HTTPStatus.FORBIDDEN: ProviderFailure.AUTH,
    HTTPStatus.REQUEST_TIMEOUT: ProviderFailure.TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ProviderFailure.CONTEXT_LENGTH,
    HTTPStatus.TOO_MANY_REQUESTS: ProviderFailure.RATE_LIMITED,
    HTTPStatus.SERVICE_UNAVAILABLE: ProviderFailure.OVERLOADED,
    HTTPStatus.GATEWAY_TIMEOUT: ProviderFailure.TIMEOUT,
    _OVERLOADED_STATUS: ProviderFailure.OVERLOADED,
}
_SHORTEST_SECRET = 4
"""A shorter "key" is a placeholder; hiding it would only punch holes into words."""


class Scrubber:
    """Takes the key out of text that came from outside. Its own representation shows nothing."""

    def __init__(self, secret: str | None) -> None:
        self._secret = secret if secret and len(secret) >= _SHORTEST_SECRET else None

    def __call__(self, text: str) -> str:
        """The text on one line, of bounded length and without the key, whole or half masked."""
        if self._secret is not None:
            text = text.replace(self._secret, "***")
        text = " ".join(_LOOKS_LIKE_A_KEY.sub("***", text).split())
        return text if len(text) <= _LONGEST_DETAIL else text[:_LONGEST_DETAIL] + "…"


def failure_by_status(status: int) -> ProviderFailure:
    """What an HTTP status of 400 and above says where nothing else says more."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return ProviderFailure.BAD_REQUEST if status < HTTPStatus.INTERNAL_SERVER_ERROR else ProviderFailure.UNAVAILABLE


def answered(status: int, *, model: str, address: str) -> str:
    """The status of an error answer, with the question to ask oneself where nothing was found."""
    asked = f": is there a model {model!r} at {address}?" if status == HTTPStatus.NOT_FOUND else ""
    return f"HTTP {status}{asked}"


def in_words(where: str, message: str, *labels: str) -> str:
    """What a server said, and by which names it calls that."""
    names = ", ".join(label for label in labels if label)
    return f"{where}: {message}" + (f" ({names})" if names else "")


def redirect_failure(status: int, location: str | None, *, address: str, scrub: Scrubber) -> ProviderError:
    """An answer that names another address, to which neither question nor key are taken."""
    return ProviderError(
        ProviderFailure.BAD_REQUEST,
        scrub(
            f"{address} redirects ({status}) to {location or 'nowhere'}; "
            "redirects are not followed, give the final address"
        ),
    )


def connection_failure(error: BaseException, scrub: Scrubber) -> ProviderError:
    """A connection that could not be made or did not last.

    The transport reports a refused connection as a timeout; what really happened is at the end of the chain of causes.
    """
    chain = list(_causes(error))
    reason = chain[-1]
    detail = scrub(f"{type(reason).__name__}: {reason}")
    if any(isinstance(cause, TimeoutError) for cause in chain):
        return ProviderError(ProviderFailure.TIMEOUT, f"connecting took too long: {detail}")
    return ProviderError(ProviderFailure.UNAVAILABLE, f"the connection failed: {detail}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def seconds_to_wait(retry_after: str | None) -> int | None:
    """The seconds that a `Retry-After` header asks for, given as a number or as a date; None if it makes no sense."""
    if retry_after is None:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            moment = parsedate_to_datetime(retry_after)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    if not math.isfinite(seconds):
        return None
    return min(max(math.ceil(seconds), 0), _LONGEST_RETRY_AFTER)
