"""How the SDKs that build on httpx reach their servers: they ask and judge, the answer itself passes them by."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import httpx2
from aiohttp import ClientError, ClientResponse, ClientSession
from httpx2 import (
    AsyncBaseTransport,
    AsyncByteStream,
    AsyncClient,
    BasicAuth,
    ConnectError,
    ConnectTimeout,
    Request,
    Response,
)
from yarl import URL

from aichat_backend.providers.connections import read_complaint_body
from aichat_backend.providers.failures import seconds_to_wait
from aichat_backend.providers.streamed import too_long_to_wait

_ANSWER = "answer"
"""The extension of a response that holds what was answered."""

_READ_ELSEWHERE = AsyncByteStream()

_OF_THE_SDK = "x-stainless-"
"""What it would tell its vendor about this machine in headers that begin like this is nobody's business."""

_JUDGED = ("content-type", "location", "retry-after", "retry-after-ms", "x-should-retry", "request-id", "x-request-id")
"""The headers of an error by which it is understood, and asking again is decided."""


def http_client(session: ClientSession) -> AsyncClient:
    """What an SDK is given to ask with. It follows no redirects: neither question nor key leave the origin."""
    return _Client(session)


def answer_of(response: Response) -> ClientResponse:
    """The answer of a request that went well; nothing of its body has been read."""
    answer: ClientResponse = response.extensions[_ANSWER]
    return answer


class _Client(AsyncClient):
    """Sends requests by aiohttp, as the SDK words them.

    What httpx would put around each request makes the first token late, and what the SDK would put around each piece of
    a streamed answer costs more than all that we do with the piece, and keeps as much memory as the stream itself.
    """

    def __init__(self, session: ClientSession) -> None:
        # One that is never used, in place of one with connections and certificates of its own.
        super().__init__(transport=AsyncBaseTransport())
        self._session = session

    def build_request(self, method: str, url: httpx2.URL | str, **words: Any) -> Request:
        """The request with nothing added to it. For timeouts there is the session."""
        words.pop("timeout", None)
        return Request(method, url, **words)

    async def send(self, request: Request, **_settings: Any) -> Response:
        """Ask; an error is read as far as it is needed.

        Raises:
            ConnectTimeout, ConnectError: the SDK may try again.
        """
        if request.url.userinfo:
            # They go before what the SDK says for want of a key.
            request = next(BasicAuth(request.url.username, request.url.password).auth_flow(request))
        headers = [(name, value) for name, value in request.headers.multi_items() if not name.startswith(_OF_THE_SDK)]
        address = URL(str(request.url)).with_user(None)
        try:
            answer = await self._session.request(
                request.method, address, headers=headers, data=request.content, allow_redirects=False
            )
            if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
                return Response(answer.status, request=request, stream=_READ_ELSEWHERE, extensions={_ANSWER: answer})
            complaint = await read_complaint_body(answer)
            return Response(answer.status, request=request, headers=_judged(answer), content=complaint)
        except TimeoutError as error:
            raise ConnectTimeout(str(error)) from error
        except (ClientError, OSError) as error:
            raise ConnectError(str(error)) from error

    async def aclose(self) -> None:
        """Close the connections."""
        await super().aclose()
        await self._session.close()


def _judged(answer: ClientResponse) -> dict[str, str]:
    """The headers of an error for the SDK, which is told not to sleep through a long `Retry-After`.

    The caller is told how long to wait instead.
    """
    headers = {name: answer.headers[name] for name in _JUDGED if name in answer.headers}
    if too_long_to_wait(seconds_to_wait(headers.get("retry-after"))):
        headers["x-should-retry"] = "false"
    return headers
