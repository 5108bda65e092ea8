"""One turn: the model speaks, tools run, the model goes on, until it has said all or the user must decide."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from aichat_backend.chat.audit import ToolStart
from aichat_backend.chat.calls import Calls, WaitingCall
from aichat_backend.chat.daily_tokens import DailyTokens
from aichat_backend.chat.decided_calls import DecidedCalls
from aichat_backend.chat.draft import Draft, unanswered_calls
from aichat_backend.chat.estimates import estimated_usage
from aichat_backend.chat.executions import Executions
from aichat_backend.chat.files import FileStore, ReadOnce
from aichat_backend.chat.history import ModelOptions, build_request
from aichat_backend.chat.parts import Part, ToolCallPart
from aichat_backend.chat.speech import Speech
from aichat_backend.chat.text import repaired
from aichat_backend.chat.tools import Tool, Toolbox
from aichat_backend.chat.turn_limits import Progress, TurnLimits
from aichat_backend.chat.turns import OpenedTurn
from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.base import (
    Finished,
    ModelRequest,
    Provider,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolSpec,
)
from aichat_backend.streams.log import EventLog

_SECONDS_FOR_MORE_TOOLS = 5.0
_GO_ON = "Ask me to go on if you want me to."

_REFUSALS = frozenset(
    {
        ProviderFailure.NOT_CONFIGURED,
        ProviderFailure.AUTH,
        ProviderFailure.RATE_LIMITED,
        ProviderFailure.OVERLOADED,
        ProviderFailure.CONTEXT_LENGTH,
        ProviderFailure.BAD_REQUEST,
        ProviderFailure.UNAVAILABLE,
    }
)
"""Failures that cost nothing, when they come before an answer."""


@dataclass(frozen=True, kw_only=True)
class TurnResources:
    """What every turn draws on."""

    provider: Provider
    toolbox: Toolbox
    files: FileStore
    options: ModelOptions
    limits: TurnLimits
    daily_tokens: DailyTokens


class Turn:
    """Goes on from where an opened turn stands. What is said and done goes to a draft and to a log."""

    def __init__(
        self,
        opened: OpenedTurn,
        draft: Draft,
        log: EventLog,
        resources: TurnResources,
        begin_calls: Callable[[Sequence[ToolStart]], Awaitable[None]],
    ) -> None:
        """`begin_calls` is awaited before tools run: see `Executions`."""
        self._user_id = opened.session.user_id
        self._history = opened.history
        self._draft = draft
        self._resources = resources
        self._speech = Speech(draft, log, opened.session.id)
        self._executions = Executions(
            resources.toolbox,
            resources.files,
            user_id=self._user_id,
            session_id=opened.session.id,
            draft=draft,
            log=log,
            begin_calls=begin_calls,
        )
        self._progress = Progress(resources.limits, opened.history)
        self._calls = Calls(opened, draft, self._executions, limits=resources.limits, progress=self._progress)
        self._decided: DecidedCalls | None = None
        if opened.decision is not None:
            self._decided = DecidedCalls(opened.message, opened.decision, resources.toolbox, self._executions)
        self._files = ReadOnce(resources.files)
        self._offered: Mapping[str, Tool] = {}

    async def reach_tools(self) -> None:
        """Wait for the servers of what the user approved, and a little for all others; nothing is carried out yet.

        Raises:
            ToolsUnavailable: nothing that was approved can run now, and some of it may be able to later.
        """
        if self._decided is not None:
            await self._decided.reach()
        # Right after a start the servers are still on their way, and an answer without tools would be a worse one.
        await self._resources.toolbox.settled(_SECONDS_FOR_MORE_TOOLS)

    async def take(self) -> Sequence[WaitingCall]:
        """The calls that wait for the user; none when the answer is complete, or has come to a limit.

        Raises:
            ProviderError: when a model call fails or ends without any text; the draft keeps what came before.
        """
        seconds = self._resources.limits.seconds
        time = asyncio.timeout(seconds)
        try:
            async with time:
                return await self._take()
        except TimeoutError:
            if not time.expired():
                raise
        limit = f"the limit of {seconds:g} seconds for one answer is reached"
        self._end_at(limit, unanswered_calls(self._draft.parts()))
        return ()

    async def _take(self) -> Sequence[WaitingCall]:
        if self._decided is not None:
            await self._decided.carry_out()
        while calls := await self._ask():
            if limit := self._progress.begin_round(self._draft.usage):
                self._end_at(limit, calls)
                break
            if limit := await self._resources.daily_tokens.spent_by(self._user_id, self._draft.usage):
                self._end_at(limit, calls, "Ask me again tomorrow.")
                break
            if waiting := await self._calls.make(calls, self._offered):
                return waiting
        return ()

    async def _ask(self) -> Sequence[ToolCallPart]:
        """Ask the model; what it says, and the calls it makes, are in the draft."""
        provider = self._resources.provider
        if provider.capabilities.tools:
            self._offered = {tool.name: tool for tool in self._resources.toolbox.tools()}
        request = await build_request(
            self._resources.options,
            self._history,
            self._draft.parts(),
            tools=tuple(ToolSpec(tool.name, tool.description, tool.input_schema) for tool in self._offered.values()),
            files=self._files,
            able=provider.capabilities,
        )
        calls = await self._listen(request)
        if not calls and not self._draft.has_text:
            raise ProviderError(ProviderFailure.PROTOCOL, "the answer has no text")
        return calls

    async def _listen(self, request: ModelRequest) -> Sequence[ToolCallPart]:
        """Take down what the model says, and what that has cost, however it ends."""
        calls: list[ToolCallPart] = []
        finished: Finished | None = None
        refused = False
        before = len(self._draft.parts())
        self._speech.begin_paragraph()
        try:
            async with aclosing(self._resources.provider.stream(request)) as events:
                async for event in events:
                    if isinstance(event, TextDelta | ReasoningDelta):
                        self._speech.say(event)
                    elif isinstance(event, ToolCall):
                        calls.append(call := _as_it_is_stored(event))
                        self._draft.append(call)
                    else:
                        finished = event
                        break
        except ProviderError as error:
            refused = error.failure in _REFUSALS and len(self._draft.parts()) == before
            raise
        finally:
            if not refused:
                self._count(request, self._draft.parts()[before:], finished)
        return calls

    def _count(self, request: ModelRequest, said: Sequence[Part], finished: Finished | None) -> None:
        """What was stopped, or ends without telling, has cost something as well."""
        usage = finished.usage if finished is not None else None
        self._draft.count(usage or estimated_usage(request, said), finished.model if finished is not None else None)

    def _end_at(self, limit: str, calls: Sequence[ToolCallPart], advice: str = _GO_ON) -> None:
        for call in calls:
            self._executions.refuse(call, f"Nothing ran: {limit}.")
        self._speech.close(f"*I stop here: {limit}. {advice}*")


def _as_it_is_stored(call: ToolCall) -> ToolCallPart:
    """An approval is bound to the arguments, which must then be the same when they are read again."""
    return ToolCallPart(repaired(call.id), repaired(call.name), repaired(call.arguments), call.state)
