"""A turn and everything that it meets, for tests of the turn loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aichat_backend.chat.approvals import ApprovalStatus, Decision
from aichat_backend.chat.audit import ToolStart
from aichat_backend.chat.calls import WaitingCall
from aichat_backend.chat.conversation import Message, Session
from aichat_backend.chat.daily_tokens import DailyTokens
from aichat_backend.chat.draft import Draft
from aichat_backend.chat.history import ModelOptions
from aichat_backend.chat.parts import Part, ToolResultPart, text_of
from aichat_backend.chat.tools import Tool
from aichat_backend.chat.turn import Turn, TurnResources
from aichat_backend.chat.turn_limits import TurnLimits
from aichat_backend.chat.turns import OpenedTurn
from aichat_backend.errors import Unavailable
from aichat_backend.streams.log import EventLog
from aichat_backend.streams.messages import StreamMessage, StreamMessageType
from fakes.files import FilesInMemory
from fakes.messages import NOW, approval, user
from fakes.reading import events_of
from fakes.scripted import Call, ScriptedProvider
from fakes.toolbox import FakeToolbox

SESSION = Session("s", "1", "A title", NOW, NOW)


@dataclass
class Stage:
    """Everything that a turn meets."""

    provider: ScriptedProvider = field(default_factory=ScriptedProvider)
    toolbox: FakeToolbox = field(default_factory=FakeToolbox)
    files: FilesInMemory = field(default_factory=FilesInMemory)
    limits: TurnLimits = field(default_factory=TurnLimits)
    tokens_per_day: int | None = None
    spent: dict[str, int] = field(default_factory=dict)
    """What each user has spent today."""
    draft: Draft = field(default_factory=Draft)
    log: EventLog = field(default_factory=EventLog)
    noted: list[list[ToolStart]] = field(default_factory=list)
    """The calls that began, as they were noted together."""
    kept: list[tuple[Part, ...]] = field(default_factory=list)
    """What there was of the answer each time."""
    is_cut: bool = False
    """Whether more was said before than the turn is told."""
    away: bool = False
    """Whether the database is."""
    attempts: int = 0
    """How often it was tried."""

    def turn(self, *history: Message, decision: Decision | None = None) -> Turn:
        opened = OpenedTurn(
            run_id="run",
            session=SESSION,
            history=history or (user("Go."),),
            is_cut=self.is_cut,
            decision=decision,
        )
        resources = TurnResources(
            provider=self.provider,
            toolbox=self.toolbox,
            files=self.files,
            options=ModelOptions(model="m"),
            limits=self.limits,
            daily_tokens=DailyTokens(self.spent_today, self.tokens_per_day),
        )
        return Turn(opened, self.draft, self.log, resources, self.begin_calls)

    async def spent_today(self, user_id: str) -> int:
        if self.away:
            raise Unavailable("away")
        return self.spent.get(user_id, 0)

    async def begin_calls(self, calls: Sequence[ToolStart]) -> None:
        self.attempts += 1
        if self.away:
            raise Unavailable("away")
        self.kept.append(self.draft.parts())
        self.noted.append(list(calls))

    @asynccontextmanager
    async def taking(self, *history: Message, decision: Decision | None = None) -> AsyncIterator[asyncio.Task[Any]]:
        """The turn as it is taken; it is over when the context is."""
        turn = self.turn(*history, decision=decision)

        async def take() -> Sequence[WaitingCall]:
            await turn.reach_tools()
            return await turn.take()

        task = asyncio.create_task(take())
        try:
            yield task
            async with asyncio.timeout(10):
                await asyncio.wait({task})
        finally:
            task.cancel()

    async def asked(self) -> Call:
        return await self.provider.asked()

    async def said(self, text: str) -> None:
        """Wait until the draft ends with that."""
        async with asyncio.timeout(10):
            while not text_of(self.draft.parts()).endswith(text):  # noqa: ASYNC110
                await asyncio.sleep(0)

    def events(self) -> list[Mapping[str, Any]]:
        self.log.close(StreamMessage(type=StreamMessageType.DONE, session_id="s", done=True))
        return [event.data for event in events_of(self.log.after(0))][:-1]

    def results(self) -> dict[str, str]:
        return {part.call_id: part.text for part in self.draft.parts() if isinstance(part, ToolResultPart)}


def offer(stage: Stage, *tools: Tool) -> None:
    stage.toolbox.offered.extend(tools)


async def waiting(task: asyncio.Task[Sequence[WaitingCall]]) -> list[str]:
    return [call.call.id for call in await task]


def approval_for(asking: Tool, *calls: Any) -> Message:
    message = approval(*calls, status=ApprovalStatus.APPROVED)
    assert message.approval is not None
    bound = tuple(WaitingCall(each, asking).bound() for each in calls)
    return Message(
        **{name: getattr(message, name) for name in ("id", "role", "parts", "status", "created_at")},
        approval=type(message.approval)(
            id="r", calls=bound, status=ApprovalStatus.APPROVED, created_at=NOW, expires_at=NOW
        ),
    )
