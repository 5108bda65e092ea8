"""Claude, and every server that speaks Anthropic's Messages API: the SDK asks, we read the answer's bytes ourselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aichat_backend.errors import ProviderError
from aichat_backend.providers.addresses import without_credentials
from aichat_backend.providers.anthropic_errors import sdk_failure
from aichat_backend.providers.anthropic_request import request_body, request_headers
from aichat_backend.providers.anthropic_thinking import PROVIDER
from aichat_backend.providers.anthropic_wire import AnswerDecoder
from aichat_backend.providers.base import Capabilities, ModelRequest
from aichat_backend.providers.bodies import encoded
from aichat_backend.providers.streamed import MAX_RETRIES, NO_KEY, Answer, StreamedProvider

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from anthropic import AsyncAnthropic


class AnthropicProvider(StreamedProvider["AsyncAnthropic"]):
    """Asks Anthropic. An address may end in `/v1` or not."""

    name = PROVIDER
    capabilities = Capabilities(request_bytes=32_000_000, picture_bytes=10_000_000)
    _own_url = "https://api.anthropic.com"
    _key_variables = "AICHAT_API_KEY, AICHAT_API_KEY_FILE or ANTHROPIC_API_KEY"

    async def _connect(self) -> AsyncAnthropic:
        from aichat_backend.providers import connections

        session = await connections.open_session(self._base_url)
        return await connections.built_on(session, self._build_client)

    def _build_client(self, session: ClientSession) -> AsyncAnthropic:
        from anthropic import AsyncAnthropic

        from aichat_backend.providers.sdk_transport import http_client

        return AsyncAnthropic(
            api_key=self._api_key or NO_KEY,
            base_url=self._api_url.removesuffix("/").removesuffix("/v1"),
            max_retries=MAX_RETRIES,
            # The session has those that matter.
            timeout=None,
            # Compression would hold back small chunks on the way.
            default_headers={"Accept-Encoding": "identity"},
            http_client=http_client(session),
            # Spans would carry what an operator of this service has not asked for.
            open_telemetry=False,
        )

    async def _disconnect(self, client: AsyncAnthropic) -> None:
        await client.close()

    async def _ask(self, client: AsyncAnthropic, request: ModelRequest) -> Answer:
        """Send the request; the answer is not read yet.

        Not through `messages.create`, and as bytes: the SDK would walk every message, and write the arguments of calls
        in its own way.
        """
        from httpx2 import Response

        from aichat_backend.providers.sdk_transport import answer_of

        body = request_body(request)
        streamed: bool = True
        asked = await client.post(
            "/v1/messages",
            cast_to=Response,
            content=await encoded(request, lambda _asked: body),
            options={"headers": request_headers(body)},
            stream=streamed,
        )
        response = answer_of(asked)
        content_type = response.headers.get("Content-Type", "no content type")
        return Answer(response, AnswerDecoder(request, self._scrub, content_type))

    def _sdk_errors(self) -> tuple[type[Exception], ...]:
        from anthropic import AnthropicError

        return (AnthropicError,)

    def _explain(self, error: Exception, request: ModelRequest) -> ProviderError:
        address = without_credentials(self._base_url)
        return sdk_failure(error, model=request.model, address=address, scrub=self._scrub)
