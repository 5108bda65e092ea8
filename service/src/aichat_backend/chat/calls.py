"""What becomes of the calls that a model makes: they run, wait for the user, or are refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from aichat_backend.chat.approvals import BoundCall, digest
from aichat_backend.chat.draft import Draft
from aichat_backend.chat.executions import Executions
from aichat_backend.chat.parts import ToolCallPart
from aichat_backend.chat.policy import is_tainted, policy_for
from aichat_backend.chat.tools import Tool, ToolPolicy
from aichat_backend.chat.turn_limits import Progress, TurnLimits
from aichat_backend.chat.turns import OpenedTurn

_UNKNOWN = "There is no tool of this name; nothing ran."
_DENIED = "The administrator does not allow this tool; nothing ran."
_TOO_MANY_WAIT = (
    "Nothing ran: the user cannot be asked about so many calls at once. Call it again later, if still needed."
)


class WaitingCall(Struct, frozen=True):
    """A call that the user must decide on, and the tool as it is while the user is asked."""

    call: ToolCallPart
    tool: Tool

    def bound(self) -> BoundCall:
        """The call as an approval is bound to it."""
        return BoundCall(self.call.id, self.tool.digest, digest(self.call.arguments))


class Calls:
    """The calls of one turn, as they are made."""

    def __init__(
        self,
        opened: OpenedTurn,
        draft: Draft,
        executions: Executions,
        *,
        limits: TurnLimits,
        progress: Progress,
    ) -> None:
        self._opened = opened
        self._draft = draft
        self._executions = executions
        self._limits = limits
        self._progress = progress

    async def make(self, calls: Sequence[ToolCallPart], offered: Mapping[str, Tool]) -> Sequence[WaitingCall]:
        """Run what may run, refuse what may not; the rest waits for the user."""
        # What was not read may hold anything.
        tainted = self._opened.is_cut or is_tainted(self._opened.history, self._draft.parts())
        waiting: list[WaitingCall] = []
        running: list[tuple[ToolCallPart, Tool]] = []
        for call in self._within_limit(calls):
            tool = offered.get(call.name)
            if tool is None:
                self._executions.refuse(call, _UNKNOWN)
                continue
            match policy_for(tool, tainted=tainted):
                case ToolPolicy.DENY:
                    self._executions.refuse(call, _DENIED)
                case ToolPolicy.ASK if len(waiting) >= self._limits.waiting:
                    self._executions.refuse(call, _TOO_MANY_WAIT)
                case ToolPolicy.ASK:
                    waiting.append(WaitingCall(call, tool))
                case ToolPolicy.AUTO:
                    running.append((call, tool))
        if running:
            self._executions.announce(call for call, _tool in running)
            await self._executions.run(running)
        return waiting

    def _within_limit(self, calls: Sequence[ToolCallPart]) -> Sequence[ToolCallPart]:
        """The first of the calls, as many as the answer may still make; the others are refused."""
        admitted = self._progress.admit(len(calls))
        for call in calls[admitted:]:
            limit = f"the limit of {self._limits.calls} tool calls for one answer is reached"
            self._executions.refuse(call, f"Nothing ran: {limit}.")
        return calls[:admitted]
