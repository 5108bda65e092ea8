"""Gemini by Google's SDK: it makes the request, we read the answer's bytes ourselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.addresses import without_credentials
from aichat_backend.providers.base import Capabilities, ModelRequest
from aichat_backend.providers.certificates import tls
from aichat_backend.providers.decoding import json_or_text
from aichat_backend.providers.failures import redirect_failure
from aichat_backend.providers.gemini_errors import asked_to_wait, status_failure
from aichat_backend.providers.gemini_request import request_body
from aichat_backend.providers.gemini_signatures import PROVIDER
from aichat_backend.providers.gemini_wire import AnswerDecoder
from aichat_backend.providers.streamed import MAX_RETRIES, NO_KEY, Answer, StreamedProvider, too_long_to_wait

if TYPE_CHECKING:
    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, ClientSession
    from google.genai import Client

_VERSION = "v1beta"
"""The one that knows tools, system instructions and thinking."""
_FIRST_PAUSE = 0.25
_REPLACED = "-"
"""Contents for the SDK, which wants some; the whole body is given besides, so that it need not walk the history."""


class _AnswerBegins(Exception):
    """Takes the response out of the SDK before the SDK reads a byte of it."""

    def __init__(self, response: ClientResponse) -> None:
        super().__init__()
        self.response = response


class _Connected(NamedTuple):
    sdk: Client
    http: ClientSession


class GeminiProvider(StreamedProvider[_Connected]):
    """Asks the Gemini API. An address may end in the API's version or not.

    The SDK offers nothing between the request and models of every chunk, which cost several times the rest of a relay.
    But it takes an HTTP client of ours, and that may have a middleware: there the response is taken over.
    """

    name = PROVIDER
    capabilities = Capabilities(request_bytes=20_000_000)
    _own_url = "https://generativelanguage.googleapis.com"
    _key_variables = "AICHAT_API_KEY, AICHAT_API_KEY_FILE, GEMINI_API_KEY or GOOGLE_API_KEY"

    async def _connect(self) -> _Connected:
        await asyncio.to_thread(_import_sdk)
        from aichat_backend.providers import connections

        http = await connections.open_session(self._base_url, middlewares=(self._take_over,))
        return _Connected(await connections.built_on(http, self._build_sdk), http)

    def _build_sdk(self, http: ClientSession) -> Client:
        from google.genai import Client
        from google.genai.types import HttpOptions, HttpRetryOptions

        return Client(
            # Said, or the environment would decide.
            vertexai=False,
            api_key=self._api_key or NO_KEY,
            http_options=HttpOptions(
                base_url=self._base_url.removesuffix("/").removesuffix(f"/{_VERSION}"),
                api_version=_VERSION,
                # Compression would hold back small chunks on the way.
                headers={"Accept-Encoding": "identity"},
                aiohttp_client=http,
                # The system's certificates, as for the other vendors, and not the SDK's own.
                async_client_args={"ssl": tls()},
                retry_options=HttpRetryOptions(attempts=1 + MAX_RETRIES, initial_delay=_FIRST_PAUSE, jitter=0.0),
            ),
        )

    async def _disconnect(self, client: _Connected) -> None:
        await client.sdk.aio.aclose()
        await asyncio.to_thread(client.sdk.close)
        await client.http.close()

    async def _ask(self, client: _Connected, request: ModelRequest) -> Answer:
        from google.genai.types import GenerateContentConfigDict

        config: GenerateContentConfigDict = {
            "http_options": {"extra_body": request_body(request)},
            "automatic_continuation": False,
            "automatic_function_calling": {"disable": True},
        }
        asked = await client.sdk.aio.models.generate_content_stream(
            model=request.model, contents=_REPLACED, config=config
        )
        response = await self._begin(asked, request.model)
        content_type = response.headers.get("Content-Type", "no content type")
        return Answer(response, AnswerDecoder(request, self._scrub, content_type))

    async def _begin(self, asked: AsyncIterator[Any], model: str) -> ClientResponse:
        """Let the SDK ask; the response is taken out of its hands as soon as its head is there."""
        try:
            await anext(asked)
        except _AnswerBegins as begins:
            return begins.response
        except ValueError as error:
            detail = self._scrub(f"the SDK refuses to ask {model!r}: {error}")
            raise ProviderError(ProviderFailure.BAD_REQUEST, detail) from None
        raise ProviderError(ProviderFailure.PROTOCOL, "the SDK answered without asking")

    async def _take_over(self, request: ClientRequest, ask: ClientHandlerType) -> ClientResponse:
        """Keep a good response from the SDK, and of an error all that it need not know.

        It would read an error to its end, however long that is, and wait as long as it says.
        """
        from google.genai.errors import APIError

        from aichat_backend.providers.connections import read_complaint_body

        response = await ask(request)
        if response.status == HTTPStatus.OK:
            raise _AnswerBegins(response)
        retry_after = response.headers.get("Retry-After")
        if HTTPStatus.MULTIPLE_CHOICES <= response.status < HTTPStatus.BAD_REQUEST:
            location = response.headers.get("Location")
            response.close()
            raise redirect_failure(response.status, location, address=self._address, scrub=self._scrub)
        body = json_or_text(await read_complaint_body(response))
        if too_long_to_wait(asked_to_wait(body, retry_after)):
            raise self._failure(response.status, body, retry_after, model="")
        raise APIError(response.status, body)

    @property
    def _address(self) -> str:
        return without_credentials(self._base_url)

    def _failure(self, status: int, body: object, retry_after: str | None, *, model: str) -> ProviderError:
        return status_failure(
            status, body, retry_after=retry_after, model=model, address=self._address, scrub=self._scrub
        )

    def _sdk_errors(self) -> tuple[type[Exception], ...]:
        from google.genai.errors import APIError

        return (APIError,)

    def _explain(self, error: Exception, request: ModelRequest) -> ProviderError:
        from google.genai.errors import APIError

        if isinstance(error, APIError):
            return self._failure(error.code, error.details, None, model=request.model)
        return super()._explain(error, request)


def _import_sdk() -> None:
    import aiohttp  # noqa: F401
    import google.genai  # noqa: F401
