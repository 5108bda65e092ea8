"""Runs: answers being generated, owned by the server and not by whoever reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from msgspec import structs

from aichat_backend.chat import last_words
from aichat_backend.chat.calls import WaitingCall
from aichat_backend.chat.conversation import Message, MessageStatus
from aichat_backend.chat.draft import Draft
from aichat_backend.chat.finished_answer import finished_answer
from aichat_backend.chat.flusher import Flusher
from aichat_backend.chat.insisting import Patience, insist
from aichat_backend.chat.parts import Role, Usage
from aichat_backend.chat.run_report import RunReport
from aichat_backend.chat.titles import is_own_title
from aichat_backend.chat.turn import Turn, TurnResources
from aichat_backend.chat.turns import OpenedTurn, TurnStore
from aichat_backend.chat.underway import KeptDraft
from aichat_backend.chat.usage import Spent, UsageStore
from aichat_backend.errors import ChatError, TakenOver, Unavailable
from aichat_backend.streams.log import EventLog
from aichat_backend.telemetry.metrics import Metrics


@dataclass(frozen=True, kw_only=True)
class RunResources:
    """What every run draws on, to take its turn and to keep what comes of it."""

    turn: TurnResources
    store: TurnStore
    usage: UsageStore
    metrics: Metrics
    approval_lifetime: timedelta
    flusher: Flusher
    patience: Patience = field(default_factory=Patience)


class Run:
    """One answer in the making: its events, its end, and the way to stop it."""

    def __init__(
        self,
        turn: OpenedTurn,
        resources: RunResources,
        *,
        on_ended: Callable[[Run], None],
    ) -> None:
        """`on_ended` is called once, when all is stored and before the readers hear of the end.

        Nothing happens before `begin`.
        """
        self.id = turn.run_id
        self.turn = turn
        self.log = EventLog()
        self._resources = resources
        self._report = RunReport(turn, resources.metrics)
        self._on_ended = on_ended
        self._draft = Draft()
        self._has_begun = False
        """Whether anything may have been done, such as what the user approved."""
        self._kept_usage: Usage | None = None
        """What whoever takes the run over counts."""
        self._is_lost = False
        self._stop_status: MessageStatus | None = None
        self._answer: Message | None = None
        self._error: ChatError | None = None
        self._generation: asyncio.Task[Sequence[WaitingCall]] | None = None
        self._keeper: asyncio.Task[None] | None = None
        # A future: there is one for each run, and an event keeps room for dozens who wait.
        self._no_more_time: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._late: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the readers were told of the end before it is stored."""
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def user_id(self) -> str:
        """Whose run it is."""
        return self.turn.session.user_id

    @property
    def session_id(self) -> str:
        """The session that gets the answer."""
        return self.turn.session.id

    @property
    def version(self) -> int:
        """Another one when there is more of the answer."""
        return self._draft.version

    def kept_draft(self) -> KeptDraft:
        """What there is of the answer, to be kept in case that this process dies."""
        return KeptDraft(self._draft.parts(), self._draft.usage, self._model)

    def note_kept(self, draft: KeptDraft) -> None:
        """Hear that this is in the store, for whoever takes the run over."""
        self._kept_usage = draft.usage

    def begin(self) -> None:
        """Start generating; to be called once."""
        self._generation = asyncio.create_task(self._generate(), name=f"generate {self.id}")
        # A task that waits all the while would take more memory than the answer.
        self._generation.add_done_callback(self._begin_to_keep)
        if self._stop_status is not None:
            self._generation.cancel()

    def stop(self, status: MessageStatus) -> None:
        """End the answer where it is; `status` tells why. Too late is no error."""
        if self._stop_status is None and self._keeper is None:
            self._stop_status = status
            if self._generation is not None:
                self._generation.cancel()

    def lose(self) -> None:
        """Stop at once: nothing of this will be stored, because its session is gone or another process has ended it."""
        if self._keeper is None:
            self._is_lost = True
            self.stop(MessageStatus.INTERRUPTED)

    def give_up(self) -> None:
        """Try once more to store the answer, and then no more."""
        if not self._no_more_time.done():
            self._no_more_time.set_result(None)

    async def ended(self) -> None:
        """Wait until all is over and stored. Leaving early does not disturb the run."""
        await asyncio.wait({self._over})

    async def told(self) -> None:
        """Wait until the readers have heard the end, which is stored by then unless the database is away for long."""
        await asyncio.wait({self._over, self._late}, return_when=asyncio.FIRST_COMPLETED)

    async def answer(self) -> Message:
        """Wait for the answer.

        Raises:
            ChatError: why there is none, or only a part of it.
        """
        await self.told()
        if self._error is not None:
            raise self._error
        if self._answer is None:
            raise Unavailable("The answer was stopped.", code="stopped")
        return self._answer

    def first_exchange(self) -> tuple[str, str] | None:
        """The question and the answer of a session that was answered for the first time, and has no title yet."""
        answer, session = self._answer, self.turn.session
        if answer is None or answer.status is not MessageStatus.COMPLETE or answer.role is not Role.ASSISTANT:
            return None
        questions = [message for message in self.turn.history if message.role is Role.USER]
        if len(questions) != 1 or is_own_title(session.title):
            return None
        return questions[0].text, answer.text

    async def _generate(self) -> Sequence[WaitingCall]:
        begin_calls = partial(self._resources.flusher.begin_calls, self)
        turn = Turn(self.turn, self._draft, self.log, self._resources.turn, begin_calls)
        await turn.reach_tools()
        self._has_begun = True
        return await turn.take()

    def _begin_to_keep(self, generation: asyncio.Task[Sequence[WaitingCall]]) -> None:
        self._keeper = asyncio.create_task(self._keep(generation), name=f"keep {self.id}")
        self._keeper.add_done_callback(lambda _kept: self._over.set_result(None))

    async def _keep(self, generation: asyncio.Task[Sequence[WaitingCall]]) -> None:
        """In whatever way the generation ended: store what is there, and only then tell the readers."""
        failure = _failure_of(generation)
        status = self._judge(generation, failure)
        waiting = generation.result() if status is MessageStatus.COMPLETE else ()
        try:
            await self._store(self._closing(status, waiting))
        except TakenOver:
            self._is_lost = True
        except Exception as error:  # noqa: BLE001 - an answer that is lost ends in an error like any other
            self._error, failure, status = last_words.in_safe_words(error), error, MessageStatus.FAILED
        if self._is_lost:
            self._error = failure = TakenOver()
            status = MessageStatus.INTERRUPTED
        try:
            self._report.ended(status, failure, self._draft, events=len(self.log))
        except Exception as error:  # noqa: BLE001 - when not even the log can be written, the readers still hear of the end
            asyncio.get_running_loop().call_exception_handler({"message": "a run was not reported", "exception": error})
        self._tell_the_end()

    async def _store(self, close: Callable[[], Awaitable[None]]) -> None:
        try:
            await insist(
                close,
                self._resources.patience,
                no_more=self._no_more_time,
                on_delay=self._tell_of_the_delay,
                run_id=self.id,
            )
        except TakenOver:
            await self._count_the_rest()
            raise

    async def _count_the_rest(self) -> None:
        """Count what whoever has taken the run over did not know of. Once: who fails may have counted all the same."""
        spent, kept = self._spent, self._kept_usage
        if spent is None or spent.usage == kept:
            return
        rest = spent.usage.beyond(kept)
        try:
            await self._resources.usage.add(self.user_id, spent.model, rest, answers=1 if kept is None else 0)
        except Unavailable as error:
            self._report.not_counted(rest, error)

    def _closing(self, status: MessageStatus, waiting: Sequence[WaitingCall]) -> Callable[[], Awaitable[None]]:
        """How to close the turn; it may be tried several times."""
        store, spent = self._resources.store, self._spent
        if self._draft:
            lifetime = self._resources.approval_lifetime
            answer = finished_answer(self._draft, status, waiting, model=self._model, approval_lifetime=lifetime)

            async def close() -> None:
                self._answer = answer if await store.close_turn(self.turn, answer, spent) else None

            return close
        if self.turn.decision is not None and not self._has_begun:
            # However it came to that: nothing has run, so the user's approval must not be used up.
            return lambda: store.return_approval(self.turn)
        return lambda: store.leave_turn(self.turn, spent)

    def _tell_of_the_delay(self) -> None:
        """Let nobody wait for ever for a database that is away."""
        self._error = last_words.not_yet_stored()
        self.log.close(last_words.end(self.turn, self._error))
        self._late.set_result(None)

    def _tell_the_end(self) -> None:
        self._on_ended(self)
        if not self.log.closed:
            if self._answer is not None:
                for event in last_words.request_for_approval(self.turn, self._answer):
                    self.log.append(event)
            self.log.close(last_words.end(self.turn, self._error))
        # A run is kept for a while, and a long history with it would be kept once for every answer.
        self.turn = structs.replace(self.turn, history=self.turn.history[-1:])

    def _judge(self, generation: asyncio.Task[Any], failure: BaseException | None) -> MessageStatus:
        # What breaks while an answer is being stopped was broken by us.
        if generation.cancelled() or (failure is not None and self._stop_status is not None):
            status = self._stop_status or MessageStatus.INTERRUPTED
            if status is MessageStatus.INTERRUPTED:
                self._error = last_words.stopped_by_the_service()
            return status
        if failure is None:
            return MessageStatus.COMPLETE
        self._error = last_words.in_safe_words(failure)
        return MessageStatus.FAILED

    @property
    def _model(self) -> str:
        return self._draft.model or self._resources.turn.options.model

    @property
    def _spent(self) -> Spent | None:
        return None if self._draft.usage is None else Spent(self._model, self._draft.usage)


def _failure_of(generation: asyncio.Task[Any]) -> BaseException | None:
    """What ended it, if it neither came to its end nor was cancelled."""
    try:
        return generation.exception()
    except asyncio.CancelledError:
        # Once it has raised it, the task no longer holds this error, and with it all variables of the generation.
        return None
