"""The calls that the user has decided on: what was approved runs, if it still is what the user was shown."""

from __future__ import annotations

from aichat_backend.chat.approvals import Approval, Decision
from aichat_backend.chat.calls import WaitingCall
from aichat_backend.chat.conversation import Message
from aichat_backend.chat.draft import unanswered_calls
from aichat_backend.chat.executions import Executions
from aichat_backend.chat.parts import ToolCallPart
from aichat_backend.chat.tools import Tool, Toolbox, ToolPolicy
from aichat_backend.chat.transcript import NOT_APPROVED
from aichat_backend.errors import ToolsUnavailable

_AGAIN_AFTER_SECONDS = 30
_AWAY = (
    "Nothing ran: the server of the approved tools cannot be reached at the moment. The approval still waits: "
    "reload the conversation in a little while to approve again."
)
_GONE = "This tool is not offered at present; nothing ran."
_CHANGED = "The tool has changed since the user was asked; nothing ran. Call it again if it is still wanted."


class DecidedCalls:
    """The calls of one approval."""

    def __init__(self, message: Message, decision: Decision, toolbox: Toolbox, executions: Executions) -> None:
        """`message` is the one that asked."""
        self._approval = message.approval
        self._calls = unanswered_calls(message.parts)
        self._decision = decision
        self._toolbox = toolbox
        self._executions = executions

    async def reach(self) -> None:
        """Wait for the servers of what was approved; nothing of it is carried out yet.

        Raises:
            ToolsUnavailable: nothing of it can run now, and some of it may be able to later.
        """
        if not self._decision.approved:
            return
        names = {call.name for call in self._calls if self._decision.approves(call.id)}
        if await self._toolbox.reach(names) and names.isdisjoint(tool.name for tool in self._toolbox.tools()):
            raise ToolsUnavailable(_AWAY, retry_after=_AGAIN_AFTER_SECONDS)

    async def carry_out(self) -> None:
        """Run the calls that were approved, and answer the others."""
        tools = {tool.name: tool for tool in self._toolbox.tools()}
        running: list[tuple[ToolCallPart, Tool]] = []
        for call in self._calls:
            tool = tools.get(call.name)
            if not self._decision.approves(call.id):
                self._executions.refuse(call, NOT_APPROVED)
            elif tool is None or tool.policy is ToolPolicy.DENY:
                self._executions.refuse(call, _GONE)
            elif not _is_bound(self._approval, WaitingCall(call, tool)):
                self._executions.refuse(call, _CHANGED)
            else:
                running.append((call, tool))
        await self._executions.run(running)


def _is_bound(approval: Approval | None, waiting: WaitingCall) -> bool:
    """Whether the call and its tool are still what the user was shown."""
    return approval is not None and waiting.bound() in approval.calls
