"""OpenAI, and every server that speaks its chat completions: the SDK asks, we read the answer's bytes ourselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aichat_backend.errors import ProviderError
from aichat_backend.providers.base import Capabilities, ModelRequest
from aichat_backend.providers.bodies import encoded
from aichat_backend.providers.limits import TimeLimits
from aichat_backend.providers.openai_address import OPENAI_URL, Address
from aichat_backend.providers.openai_answer import AnswerDecoder
from aichat_backend.providers.openai_errors import sdk_failure
from aichat_backend.providers.openai_request import request_body
from aichat_backend.providers.openai_thoughts import PROVIDER
from aichat_backend.providers.streamed import MAX_RETRIES, NO_KEY, Answer, StreamedProvider

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from openai import AsyncOpenAI


_OWN_REQUEST_BYTES = 50_000_000
"""All files of a request together. What other servers take, they do not say."""


class OpenAIProvider(StreamedProvider["AsyncOpenAI"]):
    """Asks an OpenAI-compatible API. Of these only OpenAI's own is known to read PDFs."""

    name = PROVIDER
    _own_url = OPENAI_URL
    _key_variables = "AICHAT_API_KEY, AICHAT_API_KEY_FILE or OPENAI_API_KEY"

    def __init__(self, *, api_key: str | None, base_url: str | None = None, limits: TimeLimits | None = None) -> None:
        super().__init__(api_key=api_key, base_url=base_url, limits=limits)
        self._address = Address(self._base_url)
        self._needs_key = self._address.is_openai
        is_openai = self._address.is_openai
        self.capabilities = Capabilities(pdfs=is_openai, request_bytes=_OWN_REQUEST_BYTES if is_openai else None)

    async def _connect(self) -> AsyncOpenAI:
        from aichat_backend.providers import connections

        session = await connections.open_session(self._base_url)
        return await connections.built_on(session, self._build_client)

    def _build_client(self, session: ClientSession) -> AsyncOpenAI:
        from openai import AsyncOpenAI

        from aichat_backend.providers.sdk_transport import http_client

        return AsyncOpenAI(
            api_key=self._api_key or NO_KEY,
            base_url=self._api_url,
            max_retries=MAX_RETRIES,
            # The session has those that matter.
            timeout=None,
            # Compression would hold back small chunks on the way.
            default_headers={"Accept-Encoding": "identity"},
            http_client=http_client(session),
        )

    async def _disconnect(self, client: AsyncOpenAI) -> None:
        await client.close()

    async def _ask(self, client: AsyncOpenAI, request: ModelRequest) -> Answer:
        """Send the request; the answer is not read yet.

        Not through `chat.completions.create`: that walks every message by its type hints, 0.3 ms for each.
        """
        from httpx2 import Response

        from aichat_backend.providers.sdk_transport import answer_of

        streamed: bool = True
        asked = await client.post(
            "/chat/completions",
            cast_to=Response,
            content=await encoded(request, lambda asked: request_body(asked, self._address)),
            stream=streamed,
        )
        response = answer_of(asked)
        content_type = response.headers.get("Content-Type", "no content type")
        return Answer(response, AnswerDecoder(request, self._address, self._scrub, content_type))

    def _sdk_errors(self) -> tuple[type[Exception], ...]:
        from openai import OpenAIError

        return (OpenAIError,)

    def _explain(self, error: Exception, request: ModelRequest) -> ProviderError:
        return sdk_failure(error, model=request.model, address=self._address.shown, scrub=self._scrub)
