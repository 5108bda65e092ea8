"""Running tool calls: each once and noted before, several at the same time, whatever happens an outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog
from msgspec import Struct, structs

from aichat_backend.chat.approvals import digest
from aichat_backend.chat.audit import ToolStart
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
NOT_NOTED = (
    "Nothing ran: the chat history cannot be written at the moment, and no tool runs without a record. Try again later."
)
STOPPED = "The answer was stopped while the tool ran. It is not known what it has done."


class _Call(Struct, frozen=True, eq=False):
    """A call that can run."""

    part: ToolCallPart
    tool: Tool
    arguments: dict[str, Any]

    @property
    def name(self) -> str:
        """What runs: the server and the tool."""
        return f"{self.tool.server}/{self.tool.server_name}"


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
        begin_calls: Callable[[Sequence[ToolStart]], Awaitable[None]],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`begin_calls` stores, in one transaction, that calls begin and what led to them.

        It raises `Unavailable` when that cannot be; the calls do not run then.
        """
        self._toolbox = toolbox
        self._files = files
        self._user_id = user_id
        self._session_id = session_id
        self._draft = draft
        self._log = log
        self._begin_calls = begin_calls
        self._clock = clock

    async def run(self, calls: Sequence[tuple[ToolCallPart, Tool]]) -> None:
        """Run the calls, as many at the same time as may be, and wait for all results.

        Cancelled, it stops those that run, and answers those whose turn has not come.
        """
        waiting = list(self._possible(calls))
        not_begun = list(waiting)
        running: set[asyncio.Task[None]] = set()

        async def run_one(call: _Call) -> None:
            # A task that is cancelled before its first step never comes here.
            not_begun.remove(call)
            await self._run_one(call)

        try:
            async with asyncio.TaskGroup() as group:
                while waiting:
                    room = AT_ONCE - len(running)
                    beginning, waiting = waiting[:room], waiting[room:]
                    if not await self._note(beginning):
                        self._refuse_all(not_begun, NOT_NOTED)
                        break
                    running |= {group.create_task(run_one(call), name=f"call {call.name}") for call in beginning}
                    if waiting:
                        _ended, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._refuse_all(not_begun, NOT_RUN)

    def announce(self, calls: Iterable[ToolCallPart]) -> None:
        """Tell the readers which calls run now."""
        self._log.append(
            StreamMessage(type=StreamMessageType.TOOL_CALL, session_id=self._session_id, tool_calls=tool_calls(calls))
        )

    def refuse(self, call: ToolCallPart, reason: str) -> None:
        """Answer a call that does not run."""
        self._finish(call, ToolResultPart(call.id, call.name, reason, is_error=True))

    def _refuse_all(self, calls: list[_Call], reason: str) -> None:
        while calls:
            self.refuse(calls.pop(0).part, reason)

    def _possible(self, calls: Iterable[tuple[ToolCallPart, Tool]]) -> Iterator[_Call]:
        """The calls that can run; the others are refused."""
        for part, tool in calls:
            arguments = _decoded(part.arguments)
            if arguments is None:
                self.refuse(part, "The arguments are not a JSON object; nothing ran.")
            else:
                yield _Call(part, tool, arguments)

    async def _note(self, calls: Sequence[_Call]) -> bool:
        """Store that the calls begin; tells whether that is done. What is not noted must not run."""
        starts = [
            ToolStart(
                user_id=self._user_id,
                session_id=self._session_id,
                call_id=call.part.id,
                tool=call.name,
                policy=call.tool.policy,
                tool_digest=call.tool.digest,
                arguments_digest=digest(call.part.arguments),
            )
            for call in calls
        ]
        try:
            await self._begin_calls(starts)
        except Unavailable as error:
            _log.warning("tools_not_run", tools=[start.tool for start in starts], detail=error.detail)
            return False
        return True

    async def _run_one(self, call: _Call) -> None:
        started = self._clock()
        try:
            outcome = await self._toolbox.call(call.tool, call.arguments, user_id=self._user_id)
            kept = [await self._keep(file) for file in outcome.files]
        except asyncio.CancelledError:
            self._finish(call.part, self._result(call.part, ToolOutcome(STOPPED, is_error=True), started))
            raise
        files = tuple(part for part in kept if isinstance(part, AttachmentPart))
        notes = "".join(f"\n[{note}]" for note in kept if isinstance(note, str))
        text = outcome.text + notes
        self._finish(call.part, self._result(call.part, structs.replace(outcome, text=text), started, files))
        _log.info(
            "tool_executed",
            server=call.tool.server,
            tool=call.tool.server_name,
            user_id=self._user_id,
            session_id=self._session_id,
            call_id=call.part.id,
            failed=outcome.is_error,
            seconds=round((self._clock() - started).total_seconds(), 3),
        )

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
