"""Ollama by its own protocol, which can do more than its imitation of OpenAI's: thinking, and a context of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aichat_backend.providers.addresses import without_credentials
from aichat_backend.providers.base import Capabilities, ModelRequest
from aichat_backend.providers.limits import TimeLimits
from aichat_backend.providers.ollama_answer import AnswerDecoder
from aichat_backend.providers.ollama_errors import Refusal, refusal_failure
from aichat_backend.providers.ollama_request import PROVIDER
from aichat_backend.providers.streamed import Answer, StreamedProvider

if TYPE_CHECKING:
    from aichat_backend.providers.ollama_client import OllamaClient


class OllamaProvider(StreamedProvider["OllamaClient"]):
    """Asks an Ollama. It needs no key; one that is given is sent, for a proxy in front of it.

    A model that knows no tools, or cannot be told to think, refuses a question that comes with them. It is asked again
    without, so that what the operator set up for other models does not keep this one from answering. That is logged
    once, and remembered as long as the service runs, so that its later questions are asked only once.
    """

    name = PROVIDER
    capabilities = Capabilities(pdfs=False)
    _own_url = "http://127.0.0.1:11434"
    _key_variables = "AICHAT_API_KEY, AICHAT_API_KEY_FILE or OLLAMA_API_KEY"

    def __init__(
        self,
        *,
        context_tokens: int,
        api_key: str | None = None,
        base_url: str | None = None,
        limits: TimeLimits | None = None,
    ) -> None:
        """An address may end in `/api` or `/v1`, or not."""
        super().__init__(api_key=api_key, base_url=base_url, limits=limits)
        self._needs_key = False
        self._base_url = self._base_url.removesuffix("/").removesuffix("/api").removesuffix("/v1")
        self._context_tokens = context_tokens

    async def _connect(self) -> OllamaClient:
        from aichat_backend.providers.ollama_client import OllamaClient

        return await OllamaClient.connect(self._base_url, api_key=self._api_key, context_tokens=self._context_tokens)

    async def _disconnect(self, client: OllamaClient) -> None:
        await client.close()

    async def _ask(self, client: OllamaClient, request: ModelRequest) -> Answer:
        try:
            response = await client.ask(request)
        except Refusal as refusal:
            address = without_credentials(self._base_url)
            raise refusal_failure(refusal, model=request.model, address=address, scrub=self._scrub) from None
        content_type = response.headers.get("Content-Type", "no content type")
        return Answer(response, AnswerDecoder(request, self._scrub, content_type))
