"""Answers under way, as other processes see them: what is kept of each, who makes it, whether its maker still lives."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from aichat_backend.chat.audit import ToolStart
from aichat_backend.chat.conversation import Message, MessageStatus
from aichat_backend.chat.parts import Part, Role, ToolCallPart, ToolResultPart, Usage
from aichat_backend.chat.transcript import NOT_APPROVED
from aichat_backend.errors import Conflict

MAY_HAVE_RUN = (
    "The service ended while this call was under way. The tool may have run; it is not known what it has done."
)


class Owner(Struct, frozen=True):
    """A process that makes answers."""

    name: str
    """Where it listens. No two processes that live have the same name."""
    incarnation: str
    """Its own alone: another one under the same name is a later or an earlier process."""

    def has_outlived(self, other: Owner) -> bool:
        """Whether the other one must be dead, since this one lives."""
        return other.name == self.name and other.incarnation != self.incarnation


class KeptDraft(Struct, frozen=True, omit_defaults=True):
    """What there is of an answer under way."""

    parts: tuple[Part, ...] = ()
    usage: Usage | None = None
    model: str | None = None


class SignOfLife(Struct, frozen=True):
    """A run under way, as its process last told of it."""

    run_id: str
    owner: Owner
    beat: int
    """Moves while the process lives."""


class News(Struct, frozen=True):
    """What has become of some runs, while the process that makes them, or waits for them, looked elsewhere."""

    unfinished: frozenset[str]
    """Those that are still under way. Of the others the session is gone, or they were ended."""
    unwanted: frozenset[str]
    """Those of them that are to be stopped."""


class RunStore(Protocol):
    """Runs under way. Every call is one transaction.

    Raises:
        Unavailable: when the database does not answer; nothing has changed then.
    """

    async def keep(self, drafts: Mapping[str, KeptDraft], alive: Collection[str]) -> News:
        """Store these drafts, and a sign of life of all these runs; the news of them."""

    async def news(self, run_ids: Collection[str]) -> News:
        """What has become of these runs."""

    async def begin_calls(self, run_id: str, draft: KeptDraft, calls: Sequence[ToolStart]) -> bool:
        """Store what led to tool calls, and that they begin; to be awaited before they do.

        False, and nothing stored, when the run is no longer under way: they must not begin then.
        """

    async def session_of_run(self, user_id: str, run_id: str) -> str | None:
        """The session that a run of the user answers in, in whichever process."""

    async def run_in_session(self, user_id: str, session_id: str) -> str | None:
        """The run that answers in a session of the user, in whichever process."""

    async def want_stopped(self, run_id: str) -> None:
        """Let whoever makes this run stop it."""

    async def signs(self) -> Sequence[SignOfLife]:
        """Every run that is under way, in whichever process."""

    async def interrupt(self, sign: SignOfLife) -> bool:
        """Make what was kept of a dead run its session's answer. False when it has shown life since, or has ended."""


def interrupted_answer(id_: str, draft: KeptDraft, followed: Message, at: datetime) -> Message:
    """The answer of a run that died, with a result for each of its calls."""
    return Message(
        id=id_,
        role=Role.ASSISTANT,
        parts=(*draft.parts, *_missing_results(draft.parts, followed)),
        status=MessageStatus.INTERRUPTED,
        created_at=at,
        usage=draft.usage and draft.usage.exact,
        model=draft.model,
    )


def _missing_results(parts: Sequence[Part], followed: Message) -> Iterator[ToolResultPart]:
    """Of the calls that were to be carried out after a decision, and of those that the answer itself made."""
    answered = {part.call_id for part in parts if isinstance(part, ToolResultPart)}
    if followed.approval is not None:
        for call in followed.parts:
            if isinstance(call, ToolCallPart) and call.id not in answered | _results(followed):
                words = MAY_HAVE_RUN if call.id in followed.approval.approved_ids else NOT_APPROVED
                yield ToolResultPart(call.id, call.name, words, is_error=True, arguments=call.arguments)
    for call in parts:
        if isinstance(call, ToolCallPart) and call.id not in answered:
            yield ToolResultPart(call.id, call.name, MAY_HAVE_RUN, is_error=True)


def _results(message: Message) -> set[str]:
    return {part.call_id for part in message.parts if isinstance(part, ToolResultPart)}


def session_busy() -> Conflict:
    """An answer is under way."""
    return Conflict("An answer is being generated in this session; wait for it or stop it first.", code="session_busy")
