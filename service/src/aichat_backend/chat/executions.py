"""Running tool calls: each once, several at the same time, whatever happens an outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog
from msgspec import structs

from aichat_backend.chat.approvals import digest
from aichat_backend.chat.audit import AuditTrail, ToolStart
from aichat_backend.chat.draft import Draft
from aichat_backend.chat.files import FileStore, NewFile
from aichat_backend.chat.parts import AttachmentPart, ToolCallPart, ToolResultPart
from aichat_backend.chat.tool_events import live_execution, tool_calls
from aichat_backend.chat.tools import Tool, Toolbox, ToolFile, ToolOutcome
from aichat_backend.errors import ChatError, Unavailable
from aichat_backend.streams.log import EventLog
from aichat_backend.streams.messages import StreamMessage, StreamMessageType

_log = structlog.get_logger(__name__)

AT_ONCE = 8
"""Calls of one answer that run at the same time."""
NOT_RUN = "The answer ended before this call; nothing ran."
NOT_NOTED = "Nothing ran: calls cannot be recorded at the moment, and none runs without a record. Try again later."
STOPPED = "The answer was stopped while the tool ran. It is not known what it has done."


class Executions:
    """Runs the calls of one turn; results go into its draft and its log as they come."""

    def __init__(
        self,
        toolbox: Toolbox,
        files: FileStore,
        *,
        user_id: str,
        session_id: str,
        draft: Draft,
        log: EventLog,
        checkpoint: Callable[[], Awaitable[None]],
        audit: AuditTrail,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._toolbox = toolbox
        self._files = files
        self._user_id = user_id
        self._session_id = session_id
        self._draft = draft
        self._log = log
        self._checkpoint = checkpoint
        self._audit = audit
        self._clock = clock
        self._places = asyncio.Semaphore(AT_ONCE)

    async def run(self, calls: Sequence[tuple[ToolCallPart, Tool]]) -> None:
        """Run the calls, as many at the same time as may be, and wait for all results.

        Cancelled, it stops those that run, and answers those whose turn has not come.
        """
        waiting = [call for call, _tool in calls]

        async def run_in_turn(call: ToolCallPart, tool: Tool) -> None:
            async with self._places:
                waiting.remove(call)
                await self._run_one(call, tool)

        try:
            if calls:
                await self._checkpoint()
            async with asyncio.TaskGroup() as group:
                for call, tool in calls:
                    group.create_task(run_in_turn(call, tool), name=f"call {tool.server}/{tool.server_name}")
        finally:
            for call in waiting:
                self.refuse(call, NOT_RUN)

    def announce(self, calls: Iterable[ToolCallPart]) -> None:
        """Tell the readers which calls run now."""
        self._log.append(
            StreamMessage(type=StreamMessageType.TOOL_CALL, session_id=self._session_id, tool_calls=tool_calls(calls))
        )

    def refuse(self, call: ToolCallPart, reason: str) -> None:
        """Answer a call that does not run."""
        self._finish(call, ToolResultPart(call.id, call.name, reason, is_error=True))

    async def _run_one(self, call: ToolCallPart, tool: Tool) -> None:
        arguments = _decoded(call.arguments)
        if arguments is None:
            self.refuse(call, "The arguments are not a JSON object; nothing ran.")
            return
        if not await self._note(call, tool):
            self.refuse(call, NOT_NOTED)
            return
        started = self._clock()
        try:
            outcome = await self._toolbox.call(tool, arguments, user_id=self._user_id)
            kept = [await self._keep(file) for file in outcome.files]
        except asyncio.CancelledError:
            self._finish(call, self._result(call, ToolOutcome(STOPPED, is_error=True), started))
            raise
        files = tuple(part for part in kept if isinstance(part, AttachmentPart))
        notes = "".join(f"\n[{note}]" for note in kept if isinstance(note, str))
        text = outcome.text + notes
        self._finish(call, self._result(call, structs.replace(outcome, text=text), started, files))
        _log.info(
            "tool_executed",
            server=tool.server,
            tool=tool.server_name,
            user_id=self._user_id,
            session_id=self._session_id,
            call_id=call.id,
            failed=outcome.is_error,
            seconds=round((self._clock() - started).total_seconds(), 3),
        )

    async def _note(self, call: ToolCallPart, tool: Tool) -> bool:
        """Put the call into the audit trail; tells whether it is there. What is not must not run."""
        start = ToolStart(
            user_id=self._user_id,
            session_id=self._session_id,
            call_id=call.id,
            tool=f"{tool.server}/{tool.server_name}",
            policy=tool.policy,
            tool_digest=tool.digest,
            arguments_digest=digest(call.arguments),
        )
        try:
            await self._audit.tool_starts(start)
        except asyncio.CancelledError:
            self.refuse(call, NOT_RUN)
            raise
        except Unavailable as error:
            _log.warning("tool_not_noted", server=tool.server, tool=tool.server_name, detail=error.detail)
            return False
        return True

    def _result(
        self, call: ToolCallPart, outcome: ToolOutcome, started: datetime, files: tuple[AttachmentPart, ...] = ()
    ) -> ToolResultPart:
        return ToolResultPart(
            call.id, call.name, outcome.text, outcome.is_error, files=files, started_at=started, ended_at=self._clock()
        )

    async def _keep(self, file: ToolFile) -> AttachmentPart | str:
        try:
            return await self._files.keep(NewFile(file.filename, file.mime_type, file.data))
        except ChatError as error:
            _log.warning("tool_file_lost", filename=file.filename, detail=error.detail or error.message)
            return f"The file {file.filename} could not be stored."

    def _finish(self, call: ToolCallPart, result: ToolResultPart) -> None:
        if call not in self._draft:
            result = structs.replace(result, arguments=call.arguments)
        self._draft.append(result)
        self._log.append(
            StreamMessage(
                type=StreamMessageType.TOOL_EXECUTION,
                session_id=self._session_id,
                tool_executions=(live_execution(call, result, self._clock()),),
            )
        )


def _decoded(arguments: str) -> dict[str, Any] | None:
    try:
        decoded = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return decoded if isinstance(decoded, dict) else None
