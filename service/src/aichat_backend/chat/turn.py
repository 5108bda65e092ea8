"""One turn: the model speaks, tools run, the model goes on, until it has said all or the user must decide."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import groupby

from msgspec import Struct

from aichat_backend.chat.approvals import Approval, BoundCall, Decision, digest
from aichat_backend.chat.conversation import Message
from aichat_backend.chat.draft import Draft, unanswered_calls
from aichat_backend.chat.estimates import estimated_usage
from aichat_backend.chat.executions import Executions
from aichat_backend.chat.files import FileStore, ReadOnce
from aichat_backend.chat.history import ModelOptions, build_request
from aichat_backend.chat.parts import Part, Role, TextPart, ToolCallPart, ToolResultPart
from aichat_backend.chat.policy import is_tainted, policy_for
from aichat_backend.chat.text import repaired
from aichat_backend.chat.tool_events import tool_calls
from aichat_backend.chat.tools import Tool, Toolbox, ToolPolicy
from aichat_backend.chat.transcript import NOT_APPROVED
from aichat_backend.chat.turns import OpenedTurn
from aichat_backend.errors import ProviderError, ProviderFailure, ToolsUnavailable
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
from aichat_backend.streams.messages import StreamMessage, StreamMessageType

_SECONDS_FOR_MORE_TOOLS = 5.0
_AGAIN_AFTER_SECONDS = 30

_PARAGRAPH = "\n\n"
_UNKNOWN = "There is no tool of this name; nothing ran."
_DENIED = "The administrator does not allow this tool; nothing ran."
_GONE = "This tool is not offered at present; nothing ran."
_TOO_MANY_WAIT = (
    "Nothing ran: the user cannot be asked about so many calls at once. Call it again later, if still needed."
)
_AWAY = (
    "Nothing ran: the server of the approved tools cannot be reached at the moment. The approval still waits: "
    "reload the conversation in a little while to approve again."
)
_CHANGED = "The tool has changed since the user was asked; nothing ran. Call it again if it is still wanted."


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


class TurnLimits(Struct, frozen=True):
    """How far one answer may go before it must end."""

    rounds: int = 10
    """Times in a row that the model may turn to tools."""
    seconds: float = 900
    tokens: int = 1_000_000
    calls: int = 50
    """Tools that the model may call altogether."""
    waiting: int = 20
    """Calls that the user is asked about at once."""


@dataclass(frozen=True, kw_only=True)
class TurnResources:
    """What every turn draws on."""

    provider: Provider
    toolbox: Toolbox
    files: FileStore
    options: ModelOptions
    limits: TurnLimits


class WaitingCall(Struct, frozen=True):
    """A call that the user must decide on, and the tool as it is while the user is asked."""

    call: ToolCallPart
    tool: Tool

    def bound(self) -> BoundCall:
        """The call as an approval is bound to it."""
        return BoundCall(self.call.id, self.tool.digest, digest(self.call.arguments))


class Turn:
    """Goes on from where an opened turn stands. What is said and done goes to a draft and to a log."""

    def __init__(self, opened: OpenedTurn, draft: Draft, log: EventLog, resources: TurnResources) -> None:
        self._opened = opened
        self._session_id = opened.session.id
        self._draft = draft
        self._log = log
        self._resources = resources
        self._executions = Executions(
            resources.toolbox,
            resources.files,
            user_id=opened.session.user_id,
            session_id=self._session_id,
            draft=draft,
            log=log,
        )
        self._files = ReadOnce(resources.files)
        self._offered: Mapping[str, Tool] = {}
        self._new_paragraph = False
        self._rounds, self._calls = _so_far(opened)

    async def reach_tools(self) -> None:
        """Wait for the servers of what the user approved, and a little for all others; nothing is carried out yet.

        Raises:
            ToolsUnavailable: nothing of it can run now, and some of it may be able to later.
        """
        decision, toolbox = self._opened.decision, self._resources.toolbox
        if decision is not None and decision.approved:
            names = {call.name for call in unanswered_calls(self._opened.message.parts) if decision.approves(call.id)}
            if await toolbox.reach(names) and names.isdisjoint(tool.name for tool in toolbox.tools()):
                raise ToolsUnavailable(_AWAY, retry_after=_AGAIN_AFTER_SECONDS)
        # Right after a start the servers are still on their way, and an answer without tools would be a worse one.
        await toolbox.settled(_SECONDS_FOR_MORE_TOOLS)

    async def take(self) -> Sequence[WaitingCall]:
        """The calls that wait for the user; none when the answer is complete, or has come to a limit.

        Raises:
            ProviderError: when a model call fails or ends without any text; the draft keeps what came before.
        """
        seconds = self._resources.limits.seconds
        try:
            async with asyncio.timeout(seconds) as time:
                return await self._take()
        except TimeoutError:
            if not time.expired():
                raise
        limit = f"the limit of {seconds:g} seconds for one answer is reached"
        self._end_at(limit, unanswered_calls(self._draft.parts()))
        return ()

    async def _take(self) -> Sequence[WaitingCall]:
        if self._opened.decision is not None:
            await self._carry_out(self._opened.decision)
        while calls := await self._ask():
            self._rounds += 1
            if limit := self._limit_reached():
                self._end_at(limit, calls)
                break
            if waiting := await self._call(calls):
                return waiting
        return ()

    async def _ask(self) -> Sequence[ToolCallPart]:
        """Ask the model; what it says, and the calls it makes, are in the draft."""
        provider = self._resources.provider
        if provider.capabilities.tools:
            self._offered = {tool.name: tool for tool in self._resources.toolbox.tools()}
        request = await build_request(
            self._resources.options,
            self._opened.history,
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
        self._new_paragraph = self._draft.has_text
        try:
            async with aclosing(self._resources.provider.stream(request)) as events:
                async for event in events:
                    if isinstance(event, TextDelta | ReasoningDelta):
                        self._say(event)
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

    async def _call(self, calls: Sequence[ToolCallPart]) -> Sequence[WaitingCall]:
        """Run what may run, refuse what may not; the rest waits for the user."""
        tainted = is_tainted(self._opened.history, self._draft.parts())
        waiting: list[WaitingCall] = []
        running: list[tuple[ToolCallPart, Tool]] = []
        for call in self._within_limit(calls):
            tool = self._offered.get(call.name)
            if tool is None:
                self._executions.refuse(call, _UNKNOWN)
                continue
            match policy_for(tool, tainted=tainted):
                case ToolPolicy.DENY:
                    self._executions.refuse(call, _DENIED)
                case ToolPolicy.ASK if len(waiting) >= self._resources.limits.waiting:
                    self._executions.refuse(call, _TOO_MANY_WAIT)
                case ToolPolicy.ASK:
                    waiting.append(WaitingCall(call, tool))
                case ToolPolicy.AUTO:
                    running.append((call, tool))
        if running:
            self._log.append(
                StreamMessage(
                    type=StreamMessageType.TOOL_CALL,
                    session_id=self._session_id,
                    tool_calls=tool_calls(call for call, _tool in running),
                )
            )
            await self._executions.run(running)
        return waiting

    def _within_limit(self, calls: Sequence[ToolCallPart]) -> Sequence[ToolCallPart]:
        """The first of the calls, as many as the answer may still make; the others are refused."""
        limit = self._resources.limits.calls
        room = max(limit - self._calls, 0)
        self._calls += len(calls)
        for call in calls[room:]:
            self._executions.refuse(call, f"Nothing ran: the limit of {limit} tool calls for one answer is reached.")
        return calls[:room]

    async def _carry_out(self, decision: Decision) -> None:
        """Run the calls that the user approved, and answer the others."""
        message = self._opened.message
        calls = unanswered_calls(message.parts)
        tools = {tool.name: tool for tool in self._resources.toolbox.tools()}
        running: list[tuple[ToolCallPart, Tool]] = []
        for call in calls:
            tool = tools.get(call.name)
            if not decision.approves(call.id):
                self._executions.refuse(call, NOT_APPROVED)
            elif tool is None or tool.policy is ToolPolicy.DENY:
                self._executions.refuse(call, _GONE)
            elif not _is_bound(message.approval, WaitingCall(call, tool)):
                self._executions.refuse(call, _CHANGED)
            else:
                running.append((call, tool))
        await self._executions.run(running)

    def _limit_reached(self) -> str | None:
        limits, usage = self._resources.limits, self._draft.usage
        if self._rounds > limits.rounds:
            return f"the limit of {limits.rounds} rounds of tool calls for one answer is reached"
        if usage is not None and usage.input_tokens + usage.output_tokens > limits.tokens:
            return f"the limit of {limits.tokens} tokens for one answer is reached"
        return None

    def _end_at(self, limit: str, calls: Sequence[ToolCallPart]) -> None:
        for call in calls:
            self._executions.refuse(call, f"Nothing ran: {limit}.")
        # A model that is stopped in mid-sentence has no call between what it said and this.
        cut_short = any(isinstance(part, TextPart) for part in self._draft.parts()[-1:])
        self._new_paragraph = self._draft.has_text and not cut_short
        self._say(
            TextDelta(f"{_PARAGRAPH if cut_short else ''}*I stop here: {limit}. Ask me to go on if you want me to.*")
        )

    def _say(self, delta: TextDelta | ReasoningDelta) -> None:
        self._draft.add(delta)
        content = delta.text
        if self._new_paragraph and content and isinstance(delta, TextDelta):
            self._new_paragraph = False
            content = f"{_PARAGRAPH}{content.lstrip()}"
        if content:
            self._log.append(StreamMessage(type=_TYPES[type(delta)], session_id=self._session_id, content=content))


_TYPES = {TextDelta: StreamMessageType.MESSAGE, ReasoningDelta: StreamMessageType.REASONING}


def _as_it_is_stored(call: ToolCall) -> ToolCallPart:
    """An approval is bound to the arguments, which must then be the same when they are read again."""
    return ToolCallPart(repaired(call.id), repaired(call.name), repaired(call.arguments), call.state)


def _so_far(opened: OpenedTurn) -> tuple[int, int]:
    """How often the model turned to tools since the user's last message, and how many calls it made."""
    since = opened.history[_last_question(opened.history) :]
    parts = [part for message in since for part in message.parts if isinstance(part, ToolCallPart | ToolResultPart)]
    rounds = [list(group) for calling, group in groupby(parts, lambda part: isinstance(part, ToolCallPart)) if calling]
    return len(rounds), sum(map(len, rounds))


def _last_question(history: Sequence[Message]) -> int:
    return max((place for place, message in enumerate(history) if message.role is Role.USER), default=0)


def _is_bound(approval: Approval | None, waiting: WaitingCall) -> bool:
    """Whether the call and its tool are still what the user was shown."""
    return approval is not None and waiting.bound() in approval.calls
