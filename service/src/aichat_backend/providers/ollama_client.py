"""Asking an Ollama: again when it is busy or starting, and for less when the model cannot do all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from typing import Self

import msgspec
import structlog
from aiohttp import ClientConnectorError, ClientResponse, ClientSession
from yarl import URL

from aichat_backend.providers.base import ModelRequest
from aichat_backend.providers.bodies import encoded
from aichat_backend.providers.connections import open_session, read_complaint_body
from aichat_backend.providers.failures import seconds_to_wait
from aichat_backend.providers.ollama_errors import Refusal, refuses_thinking, refuses_tools, words_of
from aichat_backend.providers.ollama_request import request_body
from aichat_backend.providers.streamed import too_long_to_wait

_PAUSES = (0.5, 1.0)
"""Seconds before each time that the server is asked again, where it does not say how long."""

_log = structlog.get_logger(__name__)


class OllamaClient:
    """Connections to one server, and what its models are known to lack."""

    def __init__(self, session: ClientSession, url: URL, *, context_tokens: int) -> None:
        """Make one with `await OllamaClient.connect(…)`."""
        self._session = session
        self._url = url
        self._context_tokens = context_tokens
        self._without_tools: set[str] = set()
        self._without_thinking: set[str] = set()

    @classmethod
    async def connect(cls, base_url: str, *, api_key: str | None, context_tokens: int) -> Self:
        """The client of the server at that address. Nothing is asked yet."""
        url = URL(base_url) / "api" / "chat"
        # Compression would hold back small chunks on the way.
        headers = {"Accept-Encoding": "identity", "Content-Type": "application/json"}
        if api_key is not None:
            headers["Authorization"] = f"Bearer {api_key}"
            url = url.with_user(None)
        return cls(await open_session(base_url, headers=headers), url, context_tokens=context_tokens)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def ask(self, request: ModelRequest) -> ClientResponse:
        """The answer, of which only the head has been read.

        Raises:
            Refusal: the server answers with an error, or with another address.
        """
        pauses = iter(_PAUSES)
        while True:
            response = await self._post(request, pauses)
            if response.status == HTTPStatus.OK:
                return response
            refusal = Refusal(response.status, response.headers, words_of(await read_complaint_body(response)))
            if not self._learn(request, refusal):
                await _pause(refusal, pauses)

    async def _post(self, request: ModelRequest, pauses: Iterator[float]) -> ClientResponse:
        asked = self._within_abilities(request)
        body = await encoded(asked, partial(request_body, context_tokens=self._context_tokens))
        while True:
            try:
                return await self._session.post(self._url, data=body, allow_redirects=False)
            except ClientConnectorError as error:
                pause = next(pauses, None)
                if pause is None or not isinstance(error.os_error, ConnectionRefusedError):
                    raise
                await asyncio.sleep(pause)

    def _within_abilities(self, request: ModelRequest) -> ModelRequest:
        if request.model in self._without_tools:
            request = msgspec.structs.replace(request, tools=())
        if request.model in self._without_thinking:
            request = msgspec.structs.replace(request, reasoning=None)
        return request

    def _learn(self, request: ModelRequest, refusal: Refusal) -> bool:
        """Whether the model refused something that it need not be sent, which it will not be sent again."""
        lacking, known = None, self._without_tools
        if request.tools and refuses_tools(refusal):
            lacking = "tools"
        elif request.reasoning is not None and refuses_thinking(refusal):
            lacking, known = "thinking", self._without_thinking
        if lacking is None or request.model in known:
            return False
        known.add(request.model)
        _log.warning("model_lacks_ability", model=request.model, lacking=lacking)
        return True


async def _pause(refusal: Refusal, pauses: Iterator[float]) -> None:
    """Wait before the server is asked again, or do not ask again."""
    wanted = seconds_to_wait(refusal.headers.get("Retry-After"))
    pause = next(pauses, None) if refusal.status == HTTPStatus.SERVICE_UNAVAILABLE else None
    if pause is None or too_long_to_wait(wanted):
        raise refusal
    await asyncio.sleep(pause if wanted is None else wanted)
