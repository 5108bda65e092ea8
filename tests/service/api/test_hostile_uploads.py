"""Uploads that no browser sends, byte by byte: each is refused early, and nothing of it is kept."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from aichat_backend.api import bodies
from aichat_backend.config.settings import Settings
from fakes.backend import Answer, Backend
from fakes.contract import assert_error
from fakes.raw_http import connected, exchange
from fakes.uploads import BOUNDARY, CSV, MESSAGE, File, form, part, send_files, send_form

pytestmark = pytest.mark.thorough

HEAD = (
    f"POST /v1/chat/send-with-files HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
).encode()
KNOWN = HEAD + b"X-User-ID: 1\r\n"
NOTHING = {"sessions": 0, "messages": 0, "blobs": 0}
FILE = part('name="file0"; filename="a.txt"', b"x")


@pytest.fixture(autouse=True)
def nothing_is_kept(backend: Backend) -> object:
    yield
    assert backend.rows(*NOTHING) == NOTHING


def in_one_piece(body: bytes, head: bytes = KNOWN) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize("announced", [b"Content-Length: 1000000", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("extra", [b"", b"Expect: 100-continue\r\n"])
async def test_a_stranger_is_refused_before_the_body_is_read(backend: Backend, announced: bytes, extra: bytes) -> None:
    assert_error(await exchange(backend, HEAD + announced + b"\r\n" + extra + b"\r\n"), 401, "unauthenticated")


async def test_a_body_that_announces_too_much_is_not_begun(backend: Backend) -> None:
    assert_error(await exchange(backend, KNOWN + b"Content-Length: 60000000\r\n\r\n"), 413, "payload_too_large")


async def test_a_body_in_chunks_is_cut_off_at_the_limit(backend: Backend) -> None:
    begun = part('name="file0"; filename="big.txt"', b"")[:-2]
    megabyte = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"

    sent = KNOWN + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n%b\r\n" % (len(begun), begun) + megabyte * 11

    assert_error(await exchange(backend, sent), 413, "payload_too_large", "big.txt")


async def test_thousands_of_parts_are_refused(backend: Backend) -> None:
    answer = await send_form(backend.user(), form(*[part('name="x"', b"")] * 5_000))

    assert_error(answer, 413, "payload_too_large", "parts")


BROKEN = {
    "no closing boundary": MESSAGE + FILE,
    "another boundary": form(MESSAGE).replace(BOUNDARY.encode(), b"other"),
    "nothing": b"",
    "no form": b"message=x",
    "gigantic part headers": form(part('name="message"', b"x", "X-Big: " + "x" * 1_000_000)),
    "a thousand part headers": form(part('name="message"', b"x", *(f"X-{number}: x" for number in range(1_000)))),
    "a part without a name": form(MESSAGE, part('filename="a.txt"', b"x")),
    "a message that is no text": form(part('name="message"', b"\xff\xfe")),
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
async def test_a_broken_form_is_refused(backend: Backend, body: bytes) -> None:
    assert_error(await send_form(backend.user(), body), 400, "invalid_request")


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=" + "x" * 71, 400),
        ("multipart/mixed; boundary=x", 415),
        ("application/json", 415),
        ("application/x-www-form-urlencoded", 415),
    ],
)
async def test_another_content_type_is_refused(backend: Backend, content_type: str, status: int) -> None:
    answer = await backend.user().call(
        "POST", "/send-with-files", data=form(MESSAGE), headers={"Content-Type": content_type}
    )

    assert answer.status == status


async def test_a_compressed_form_is_refused_and_not_unpacked(backend: Backend) -> None:
    body = gzip.compress(form(MESSAGE, part('name="file0"; filename="a.txt"', b" " * 50_000_000)))

    answer = await exchange(backend, in_one_piece(body, KNOWN + b"Content-Encoding: gzip\r\n"))

    assert_error(answer, 415, "unsupported_media_type", "Content-Encoding")


async def test_a_client_that_leaves_in_the_middle_leaves_nothing(backend: Backend) -> None:
    async with connected(backend) as connection:
        connection.send(KNOWN + b"Content-Length: 1000\r\n\r\n" + MESSAGE + FILE)

    assert (await backend.user().get("/sessions")).json["sessions"] == []


async def test_a_body_that_is_shorter_than_it_says_is_cut_off(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "IDLE_SECONDS", 0.05)

    answer = await exchange(backend, KNOWN + b"Content-Length: 1000000\r\n\r\n" + form(MESSAGE, FILE)[:-10])

    assert_error(answer, 408, "request_timeout")


async def test_a_body_that_trickles_is_cut_off(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "TOTAL_SECONDS", 0.2)

    async with connected(backend) as connection:
        connection.send(KNOWN + b"Content-Length: 1000000\r\n\r\n" + MESSAGE)
        answering = asyncio.create_task(connection.answer())
        while not answering.done():
            connection.send(b"\r\n")
            await asyncio.wait({answering}, timeout=0.01)

    assert_error(await answering, 408, "request_timeout")


@pytest.mark.parametrize("body", [b"zz\r\n", b"-1\r\n", b"5\r\nabcdefgh\r\n"])
async def test_a_body_in_broken_chunks_is_refused(backend: Backend, body: bytes) -> None:
    assert (await exchange(backend, KNOWN + b"Transfer-Encoding: chunked\r\n\r\n" + body)).status == 400


async def test_who_sends_many_uploads_at_once_waits(backend: Backend, settings: Settings) -> None:
    held = [connected(backend) for _ in range(settings.max_uploads_at_once)]
    connections = [await holding.__aenter__() for holding in held]
    try:
        for connection in connections:
            connection.send(KNOWN + b"Content-Length: 1000\r\n\r\n" + MESSAGE)
        answer = await refused_upload(backend)
    finally:
        for holding in held:
            await holding.__aexit__(None, None, None)

    assert_error(answer, 429, "too_many_requests")
    assert int(answer.headers["Retry-After"]) > 0


async def refused_upload(backend: Backend) -> Answer:
    """An upload that is refused in any case, once the service has noticed the others."""
    while (answer := await send_files(backend.user(), "", CSV)).status == 400:
        pass
    return answer


async def test_who_has_used_up_the_hour_waits(backend: Backend, settings: Settings) -> None:
    exe = File("a.exe", b"MZ\0")
    uploads = [[exe] * 5] * (settings.max_files_per_hour // 5)
    statuses = [(await send_files(backend.user(), "Look.", *files)).status for files in uploads]

    answer = await send_files(backend.user(), "Look.", exe)

    assert set(statuses) == {415}
    assert_error(answer, 429, "upload_quota")
    assert (await send_files(backend.user("2"), "Look.", exe)).status == 415
