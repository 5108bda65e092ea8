"""From a user's message, however it was sent, to the answer's beginning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiohttp import web
from msgspec import Struct

from aichat_backend.api.decisions import Decisions
from aichat_backend.api.identity import user_of
from aichat_backend.api.message_files import MessageFiles, SentFile
from aichat_backend.api.parameters import session_id_given
from aichat_backend.chat.assistant import Assistant
from aichat_backend.chat.control import decision_in
from aichat_backend.chat.refusals import Refusal
from aichat_backend.chat.runs import Run
from aichat_backend.errors import ChatError, Impossible, InvalidRequest, PayloadTooLarge


class Asked(Struct, frozen=True, kw_only=True):
    """A message of the user."""

    message: str
    session_id: str | None
    context: Mapping[str, str] = {}
    files: Sequence[SentFile] = ()


class Asking:
    """Takes messages: questions to the assistant, and decisions that look like messages."""

    def __init__(
        self,
        assistant: Assistant,
        decisions: Decisions,
        files: MessageFiles,
        *,
        max_message_bytes: int,
    ) -> None:
        self._assistant = assistant
        self._decisions = decisions
        self._files = files
        self._max_message_bytes = max_message_bytes

    async def begin(self, request: web.Request, asked: Asked) -> Run | Refusal:
        """Do what the message says.

        Raises:
            ChatError: as `Assistant.ask`, `Assistant.decide` and `MessageFiles.keep`.
        """
        self._check(asked)
        user_id, session_id = user_of(request), session_id_given(asked.session_id)
        decision = decision_in(asked.message)
        if decision is not None:
            if asked.files:
                raise Impossible("A decision about tools takes no files; send them with a message of their own.")
            return await self._decisions.take(request, session_id, decision)
        files = await self._files.keep(user_id, asked.files)
        try:
            return await self._assistant.ask(user_id, session_id, asked.message, asked.context, files)
        except ChatError:
            await self._files.forget(files)
            raise

    def _check(self, asked: Asked) -> None:
        if not asked.message.strip():
            raise InvalidRequest("message: must not be empty")
        texts = (asked.message, *asked.context, *asked.context.values())
        size = sum(len(text.encode()) for text in texts)
        if size > self._max_message_bytes:
            raise PayloadTooLarge(f"message: must have at most {self._max_message_bytes} bytes, has {size}")
        if any("\0" in text for text in texts):
            raise InvalidRequest("message: must not contain NUL characters")
