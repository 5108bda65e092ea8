"""The provider on a real socket: everything that can go wrong with Gemini, and what the caller is told."""

from __future__ import annotations

import asyncio
import socket
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.base import TextDelta
from aichat_backend.providers.gemini import GeminiProvider
from aichat_backend.providers.limits import TimeLimits
from fakes.asking import question, told
from fakes.fake_gemini import KEY
from fakes.fake_provider import FakeProvider
from fakes.gemini_wire import answer, chunk, error, failure, finish, reason, retry_in, text
from fakes.openai_wire import Act, Reply, hang, sse

pytestmark = pytest.mark.thorough

QUESTION = question("gemini-3.8-flash")
PATIENT = {"Retry-After": "60"}
"""What a server says to have its error reported at once; it keeps these tests from waiting for retries."""


async def failed(provider: GeminiProvider, model: str = QUESTION.model) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await told(provider, question(model))
    return caught.value


@asynccontextmanager
async def provider_at(base_url: str, limits: TimeLimits | None = None) -> AsyncIterator[GeminiProvider]:
    provider = GeminiProvider(api_key=KEY, base_url=base_url, limits=limits)
    yield provider
    await provider.aclose()


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (failure(400, "INVALID_ARGUMENT", "API key not valid.", reason("API_KEY_INVALID")), ProviderFailure.AUTH),
        (failure(400, "INVALID_ARGUMENT", "Expired.", reason("API_KEY_EXPIRED")), ProviderFailure.AUTH),
        (failure(401, "UNAUTHENTICATED"), ProviderFailure.AUTH),
        (failure(403, "PERMISSION_DENIED", "", reason("SERVICE_DISABLED")), ProviderFailure.AUTH),
        (failure(400, "FAILED_PRECONDITION", "Enable billing", reason("BILLING_DISABLED")), ProviderFailure.AUTH),
        (failure(400, "FAILED_PRECONDITION", "User location is not supported"), ProviderFailure.BAD_REQUEST),
        (failure(429, "RESOURCE_EXHAUSTED", "Quota", retry_in("17.4s")), ProviderFailure.RATE_LIMITED),
        (failure(429, "RESOURCE_EXHAUSTED", headers=PATIENT), ProviderFailure.RATE_LIMITED),
        (
            failure(
                400,
                "INVALID_ARGUMENT",
                "The input token count (2097253) exceeds the maximum number of tokens allowed (1048576).",
            ),
            ProviderFailure.CONTEXT_LENGTH,
        ),
        (Reply((b"Too large",), 413, {"Content-Type": "text/plain"}), ProviderFailure.CONTEXT_LENGTH),
        (failure(400, "INVALID_ARGUMENT", "Unknown name"), ProviderFailure.BAD_REQUEST),
        (failure(404, "NOT_FOUND", "models/x is not found"), ProviderFailure.BAD_REQUEST),
        (failure(422, "SOMETHING_NEW"), ProviderFailure.BAD_REQUEST),
        (failure(500, "INTERNAL", headers=PATIENT), ProviderFailure.UNAVAILABLE),
        (failure(502, "SOMETHING_NEW", headers=PATIENT), ProviderFailure.UNAVAILABLE),
        (failure(503, "UNAVAILABLE", "The model is overloaded.", headers=PATIENT), ProviderFailure.OVERLOADED),
        (failure(504, "DEADLINE_EXCEEDED", headers=PATIENT), ProviderFailure.TIMEOUT),
        (
            Reply((b"<html>Bad gateway</html>",), 502, {"Content-Type": "text/html", **PATIENT}),
            ProviderFailure.UNAVAILABLE,
        ),
        (Reply((b"<html>",), 500, {"Content-Type": "application/json", **PATIENT}), ProviderFailure.UNAVAILABLE),
        (Reply((b"<html>",), 400, {"Content-Type": "application/json"}), ProviderFailure.BAD_REQUEST),
        (Reply((b"",), 400, {"Content-Type": "application/json"}), ProviderFailure.BAD_REQUEST),
        (Reply((b'[{"error":{"code":400,"status":"INVALID_ARGUMENT"}}]',), 400), ProviderFailure.BAD_REQUEST),
        (Reply((b'{"error":"no"}',), 400, {"Content-Type": "application/json"}), ProviderFailure.BAD_REQUEST),
        (Reply((b"",), 204), ProviderFailure.UNAVAILABLE),
        (Reply((sse(error(503, "UNAVAILABLE")),)), ProviderFailure.OVERLOADED),
        (Reply((chunk({"text": "It was"}) + finish("SAFETY"),)), ProviderFailure.CONTENT_FILTER),
        (Reply((text("Hi"),)), ProviderFailure.PROTOCOL),
        (Reply((text("Hi"), Act.DROP)), ProviderFailure.UNAVAILABLE),
        (Reply((b"", Act.DROP)), ProviderFailure.UNAVAILABLE),
    ],
    ids=lambda value: value.value if isinstance(value, ProviderFailure) else None,
)
async def test_tells_what_the_caller_can_do(
    gemini: GeminiProvider, google: FakeProvider, reply: Reply, expected: ProviderFailure
) -> None:
    google.script(reply)

    error = await failed(gemini)

    assert error.failure is expected, error.detail
    assert error.detail
    assert len(google.exchanges) == 1


async def test_a_model_that_does_not_exist_is_named(gemini: GeminiProvider, google: FakeProvider) -> None:
    google.script(failure(404, "NOT_FOUND", "models/gemini-3.8-flash is not found"))

    error = await failed(gemini)

    assert "'gemini-3.8-flash'" in error.detail
    assert google.base_url in error.detail


async def test_a_model_that_cannot_be_one_is_refused_by_the_sdk(gemini: GeminiProvider, google: FakeProvider) -> None:
    error = await failed(gemini, "../gemini?x")

    assert error.failure is ProviderFailure.BAD_REQUEST
    assert not google.exchanges


async def test_what_was_said_before_the_connection_broke_is_kept(gemini: GeminiProvider, google: FakeProvider) -> None:
    google.script(Reply((text("Half"), Act.DROP)))
    stream = gemini.stream(QUESTION)

    assert await anext(stream) == TextDelta("Half")
    with pytest.raises(ProviderError, match=r"unavailable: the connection failed"):
        await anext(stream)


async def test_nobody_listens_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with provider_at(f"http://127.0.0.1:{unused.getsockname()[1]}") as provider:
            error = await failed(provider)

    assert error.failure is ProviderFailure.UNAVAILABLE
    assert "ConnectionRefusedError" in error.detail


async def test_a_short_trouble_is_tried_again(gemini: GeminiProvider, google: FakeProvider) -> None:
    google.script(failure(503, "UNAVAILABLE", "Overloaded", retry_in("0.1s")), answer("Hi"))

    assert (await told(gemini, QUESTION))[0] == TextDelta("Hi")
    assert len(google.exchanges) == 2
    assert google.exchanges[0].body == google.exchanges[1].body


async def test_a_trouble_that_lasts_is_reported(gemini: GeminiProvider, google: FakeProvider) -> None:
    google.script(failure(503, "UNAVAILABLE", "The model is overloaded."))

    error = await failed(gemini)

    assert error.failure is ProviderFailure.OVERLOADED
    assert "The model is overloaded." in error.detail
    assert len(google.exchanges) == 3


@pytest.mark.parametrize(
    "reply",
    [
        failure(429, "RESOURCE_EXHAUSTED", "Quota", retry_in("16.2s")),
        failure(429, "RESOURCE_EXHAUSTED", "Quota", headers={"Retry-After": "17"}),
    ],
)
async def test_a_long_wait_is_reported_instead_of_waited_for(
    gemini: GeminiProvider, google: FakeProvider, reply: Reply
) -> None:
    google.script(reply)

    error = await failed(gemini)

    assert error.failure is ProviderFailure.RATE_LIMITED
    assert error.retry_after == 17
    assert len(google.exchanges) == 1


async def test_nothing_is_tried_again_once_the_answer_has_begun(gemini: GeminiProvider, google: FakeProvider) -> None:
    google.script(Reply((text("Half"), Act.DROP)), answer("whole"))

    await failed(gemini)

    assert len(google.exchanges) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(gemini: GeminiProvider, google: FakeProvider, status: int) -> None:
    target = google.base_url + "/elsewhere"
    google.script(Reply((b"",), status, {"Location": target}))

    error = await failed(gemini)

    assert error.failure is ProviderFailure.BAD_REQUEST
    assert target in error.detail
    assert len(google.exchanges) == 1


@pytest.mark.parametrize(
    "reply",
    [
        failure(400, "INVALID_ARGUMENT", f"API key not valid: {KEY}", reason("API_KEY_INVALID")),
        failure(403, KEY, "", reason(KEY)),
        failure(400, "INVALID_ARGUMENT", "API key not valid: AIza****cdef"),
        failure(429, "RESOURCE_EXHAUSTED", f"key={KEY}", retry_in("60s")),
        Reply((f"<b>{KEY}</b>".encode(),), 400, {"Content-Type": "text/html"}),
        Reply((f"<b>{KEY}</b>".encode(),), 400, {"Content-Type": "application/json"}),
        Reply((b"",), 307, {"Location": f"http://example.org/?key={KEY}"}),
        Reply((sse(error(500, "INTERNAL", f"bad {KEY}")),)),
        Reply((f"event: error\ndata: {KEY}\n\n".encode(),)),
        Reply((f'data: {{"candidates":"{KEY}"}}\n\n'.encode(),)),
        Reply((chunk(finish="SAFETY", promptFeedback={"blockReason": KEY}),)),
        Reply((chunk({"functionCall": {"name": KEY, "args": 5}}),)),
    ],
)
async def test_the_key_is_never_shown(gemini: GeminiProvider, google: FakeProvider, reply: Reply) -> None:
    google.script(reply)

    error = await failed(gemini)

    shown = " ".join([str(error), repr(error), error.detail, error.message, *traceback.format_exception(error)])
    assert KEY not in shown
    assert "cdef" not in shown
    assert KEY not in repr(gemini)
    assert google.last.headers["x-goog-api-key"] == KEY


@pytest.mark.parametrize(
    ("reply", "limits", "complaint"),
    [
        (hang(), TimeLimits(first_byte=0.3), "did not begin its answer within 0.3 s"),
        (Reply((b"", Act.HANG)), TimeLimits(first_byte=0.3), "did not begin its answer within 0.3 s"),
        (Reply((text("Hi"), Act.HANG)), TimeLimits(idle=0.05), "was silent within 0.05 s"),
        (Reply((text("Hi"), Act.HANG)), TimeLimits(total=0.2), "did not finish its answer within 0.2 s"),
    ],
)
async def test_time_limits(google: FakeProvider, reply: Reply, limits: TimeLimits, complaint: str) -> None:
    google.script(reply)
    async with provider_at(google.base_url, limits) as provider:
        await provider.warm()

        error = await failed(provider)

    assert error.failure is ProviderFailure.TIMEOUT
    assert complaint in error.detail
    await asyncio.wait_for(google.last.left.wait(), 5)


async def test_who_stops_listening_frees_the_connection(gemini: GeminiProvider, google: FakeProvider) -> None:
    google.script(Reply((text("Hi"), Act.HANG)))
    stream = gemini.stream(QUESTION)
    await anext(stream)

    await stream.aclose()

    await asyncio.wait_for(google.last.left.wait(), 5)


async def test_who_is_cancelled_frees_the_connection(gemini: GeminiProvider, google: FakeProvider) -> None:
    google.script(hang())
    asking = asyncio.create_task(told(gemini, QUESTION))
    exchange = await asyncio.wait_for(google.request_arrived(), 5)

    asking.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.wait_for(exchange.left.wait(), 5)


async def test_without_a_key_nothing_is_asked() -> None:
    assert (await failed(GeminiProvider(api_key=None))).failure is ProviderFailure.NOT_CONFIGURED
