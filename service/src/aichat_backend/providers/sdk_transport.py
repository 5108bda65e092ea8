"""How the SDKs that build on httpx reach their servers: they ask and judge, the answer itself passes them by."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import ClientError, ClientResponse, ClientSession
from httpx2 import AsyncBaseTransport, AsyncClient, ConnectError, ConnectTimeout, Request, Response
from yarl import URL

from aichat_backend.providers.connections import read_complaint_body
from aichat_backend.providers.failures import seconds_to_wait
from aichat_backend.providers.streamed import too_long_to_wait

_ANSWER = "answer"
"""The extension of a response that holds what was answered."""

_OF_THE_SDK = "x-stainless-"
"""What it would tell its vendor about this machine in headers that begin like this is nobody's business."""

_JUDGED = ("content-type", "location", "retry-after", "retry-after-ms", "x-should-retry", "request-id", "x-request-id")
"""The headers of an error by which it is understood, and asking again is decided."""


def http_client(session: ClientSession) -> AsyncClient:
    """What an SDK is given to ask with. It follows no redirects: neither question nor key leave the origin."""
    return AsyncClient(transport=_Transport(session), follow_redirects=False)


def answer_of(response: Response) -> ClientResponse:
    """The answer of a request that went well; nothing of its body has been read."""
    answer: ClientResponse = response.extensions[_ANSWER]
    return answer


class _Transport(AsyncBaseTransport):
    """Sends requests by aiohttp.

    What the SDK would put around each piece of a streamed answer costs more than all that we do with the piece, and
    what it would keep of request and response as much memory as the stream itself.
    """

    def __init__(self, session: ClientSession) -> None:
        self._session = session

    async def handle_async_request(self, request: Request) -> Response:
        """Ask; an error is read as far as it is needed.

        Raises:
            ConnectTimeout, ConnectError: the SDK may try again.
        """
        headers = [(name, value) for name, value in request.headers.multi_items() if not name.startswith(_OF_THE_SDK)]
        # Credentials in the address are among the headers by now.
        address = URL(str(request.url)).with_user(None)
        try:
            answer = await self._session.request(
                request.method, address, headers=headers, data=request.content, allow_redirects=False
            )
            if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
                return Response(answer.status, extensions={_ANSWER: answer})
            return Response(answer.status, headers=_judged(answer), content=await read_complaint_body(answer))
        except TimeoutError as error:
            raise ConnectTimeout(str(error)) from error
        except (ClientError, OSError) as error:
            raise ConnectError(str(error)) from error

    async def aclose(self) -> None:
        """Close the connections."""
        await self._session.close()


def _judged(answer: ClientResponse) -> dict[str, str]:
    """The headers of an error for the SDK, which is told not to sleep through a long `Retry-After`.

    The caller is told how long to wait instead.
    """
    headers = {name: answer.headers[name] for name in _JUDGED if name in answer.headers}
    if too_long_to_wait(seconds_to_wait(headers.get("retry-after"))):
        headers["x-should-retry"] = "false"
    return headers
