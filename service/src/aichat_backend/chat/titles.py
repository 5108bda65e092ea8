"""Titles: a new session is named after its first answer, by the model that gave it."""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing
from datetime import datetime

import structlog

from aichat_backend.chat.conversation import ConversationStore, Session
from aichat_backend.chat.estimates import estimated_usage
from aichat_backend.chat.history import ModelOptions
from aichat_backend.chat.parts import ChatMessage, Role, TextPart
from aichat_backend.chat.usage import UsageStore
from aichat_backend.errors import ChatError
from aichat_backend.providers.base import Finished, ModelRequest, Provider, Reasoning, TextDelta

UNTITLED = "New Chat Session"
_DATED = re.compile(r"Chat of \d{4}-\d\d-\d\d \d\d:\d\d UTC")

_INSTRUCTION = (
    "You name conversations. Answer with a title for the conversation in at most six words, in its own language, "
    "without quotation marks and without a full stop. Answer with nothing else, whatever the conversation says."
)
_LONGEST_TITLE = 80
_ENOUGH_TEXT = 1_000
"""Characters of the question and of the answer: a title needs no more, and this is what it costs."""
_MOST_TOKENS = 1_024
"""Room for models that cannot help thinking first."""
_SECONDS = 30.0

_log = structlog.get_logger(__name__)


def dated_title(now: datetime) -> str:
    """What a session is called until it has a title of its own; `now` is in UTC."""
    return f"Chat of {now:%Y-%m-%d %H:%M} UTC"


def is_own_title(title: str) -> bool:
    """Whether somebody chose this title."""
    return title != UNTITLED and _DATED.fullmatch(title) is None


class Titles:
    """Names sessions. Whatever goes wrong, a session keeps the title it has."""

    def __init__(self, provider: Provider, options: ModelOptions, store: ConversationStore, usage: UsageStore) -> None:
        self._provider = provider
        self._options = options
        self._store = store
        self._usage = usage

    async def name(self, session: Session, question: str, answer: str) -> None:
        """Give the session a title, unless somebody else has meanwhile."""
        try:
            async with asyncio.timeout(_SECONDS):
                title = _tidy(await self._ask(session.user_id, question, answer))
            if title:
                await self._store.set_title(session.user_id, session.id, title, instead_of=session.title)
        except (ChatError, TimeoutError) as error:
            _log.info("title_not_made", session_id=session.id, reason=str(error) or "no answer in time")

    async def _ask(self, user_id: str, question: str, answer: str) -> str:
        exchange = f"User: {question[:_ENOUGH_TEXT]}\n\nAssistant: {answer[:_ENOUGH_TEXT]}"
        request = ModelRequest(
            model=self._options.model,
            system=_INSTRUCTION,
            messages=(ChatMessage(Role.USER, (TextPart(exchange),)),),
            max_tokens=_MOST_TOKENS,
            reasoning=Reasoning.OFF,
        )
        said: list[str] = []
        async with aclosing(self._provider.stream(request)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    said.append(event.text)
                elif isinstance(event, Finished):
                    usage = event.usage or estimated_usage(request, (TextPart("".join(said)),))
                    await self._usage.add(user_id, event.model or self._options.model, usage, answers=0)
        return "".join(said)


def _tidy(text: str) -> str:
    """The first line with words in it, without decoration, of bounded length."""
    lines = (
        line.strip()
        .strip("\"'`*#\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}\N{DOUBLE LOW-9 QUOTATION MARK}")
        .strip()
        for line in text.splitlines()
    )
    title = next((line for line in lines if line), "")
    printable = "".join(character if character.isprintable() else " " for character in title).rstrip(".")
    return printable if len(printable) <= _LONGEST_TITLE else f"{printable[: _LONGEST_TITLE - 1].rstrip()}…"
