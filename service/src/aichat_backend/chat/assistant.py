"""The assistant: takes questions and decisions, and knows every run under way or lately finished."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

from aichat_backend.chat.approvals import Decision
from aichat_backend.chat.claims import Claims, MessageRate
from aichat_backend.chat.conversation import ConversationStore, MessageStatus
from aichat_backend.chat.elsewhere import Elsewhere
from aichat_backend.chat.finished_runs import FinishedRuns, Followed
from aichat_backend.chat.parts import AttachmentPart, TextPart
from aichat_backend.chat.refusals import Refusal
from aichat_backend.chat.runs import Run, RunResources
from aichat_backend.chat.titles import Titles, dated_title
from aichat_backend.chat.turns import OpenedTurn
from aichat_backend.errors import ChatError, NotFound, ProviderError, ProviderFailure, Unavailable

T = TypeVar("T")


class Assistant:
    """Starts runs, finds them again, stops them, and lets them end when the service does.

    A caller that is cancelled while it asks, decides or deletes leaves either nothing or the whole of it.
    """

    def __init__(
        self,
        resources: RunResources,
        store: ConversationStore,
        elsewhere: Elsewhere,
        *,
        max_runs_per_user: int,
        messages_per_minute: int,
        titles: Titles | None = None,
        finished_runs: FinishedRuns | None = None,
    ) -> None:
        """Without `titles`, sessions keep the dated ones they begin with."""
        self._resources = resources
        self._store = store
        self._elsewhere = elsewhere
        self._claims = Claims(max_runs_per_user)
        self._rate = MessageRate(messages_per_minute)
        self._titles = titles
        self._runs: dict[str, Run] = {}
        self._finished = finished_runs or FinishedRuns()
        self._opening: set[asyncio.Task[Any]] = set()
        self._removing: set[asyncio.Task[Any]] = set()
        """These go on although their callers may have left."""
        self._naming: dict[asyncio.Task[None], tuple[str, str]] = {}
        """Whose session each of them names, and which."""
        self._draining = False

    async def ask(
        self,
        user_id: str,
        session_id: str | None,
        text: str,
        context: Mapping[str, str],
        files: tuple[AttachmentPart, ...] = (),
    ) -> Run:
        """Store a question and start answering it. The question is durable when this returns.

        Raises:
            ProviderError: the provider is not configured; nothing is stored.
            Conflict: an answer is under way in this session.
            TooManyRequests: a limit of the user is reached.
            Unavailable: the service is stopping, or the database does not answer.
        """
        self._check_ready()
        self._rate.count(user_id)
        title = dated_title(datetime.now(UTC))
        return await self._start(
            user_id,
            session_id,
            lambda: self._resources.store.open_turn(
                user_id, session_id, title=title, parts=(TextPart(text), *files), context=context
            ),
        )

    async def decide(self, user_id: str, session_id: str | None, decision: Decision) -> Run:
        """Claim an approval, run what was approved and go on with the answer.

        Raises:
            NotFound: the user has no such approval.
            Conflict: it is decided already or expired, or an answer is under way in its session.
            InvalidRequest: the decision is about a call that is not part of the approval.
            ProviderError, TooManyRequests, Unavailable: as when asking.
        """
        store = self._resources.store
        # A claim is on a session: without it, an answer to a question could be under way there at the same time.
        place = session_id or await store.session_of_approval(user_id, decision.approval_id)
        return await self._start(user_id, place, lambda: store.decide_turn(user_id, place, decision))

    async def regenerate(self, user_id: str, session_id: str) -> Run:
        """Answer the last question again; an answer under way is stopped first, whoever makes it.

        Raises:
            NotFound: the user has no such session.
            Conflict: there is nothing to answer.
            ProviderError, TooManyRequests, Unavailable: as when asking.
        """
        self._check_ready()
        self._rate.count(user_id)
        # Before anything is stopped: who gets no other answer keeps the one under way.
        await self._resources.turn.daily_tokens.require_some(user_id)
        await self.stop_session(user_id, session_id)
        await self._elsewhere.stop_session(user_id, session_id)
        return await self._start(user_id, session_id, lambda: self._resources.store.reopen_turn(user_id, session_id))

    def refuse(self, user_id: str, session_id: str, error: ChatError) -> Refusal:
        """Tell an error as a stream that can be followed."""
        refusal = Refusal(user_id, session_id, error)
        self._finished.keep(refusal)
        return refusal

    def find(self, user_id: str, run_id: str) -> Followed:
        """The user's run, or refusal, of that id.

        Raises:
            NotFound: unknown, expired, or another user's.
        """
        run = self._runs.get(run_id) or self._finished.get(run_id)
        if run is None or run.user_id != user_id:
            raise NotFound("Stream not found")
        return run

    async def follow(self, user_id: str, run_id: str) -> Followed:
        """As `find`; of an answer that another process makes, the news that it must be read later.

        Raises:
            NotFound: unknown, expired, or another user's.
            Unavailable: the database does not answer.
        """
        try:
            return self.find(user_id, run_id)
        except NotFound:
            refusal = await self._elsewhere.refuse_to_follow(user_id, run_id)
            if refusal is None:
                raise
            return refusal

    async def stop(self, user_id: str, run_id: str) -> None:
        """Stop an answer, whoever makes it, and wait until it has ended.

        Raises:
            NotFound: unknown, expired, or another user's.
            Unavailable: it does not stop, or the database does not answer.
        """
        try:
            run = self.find(user_id, run_id)
        except NotFound:
            if not await self._elsewhere.stop_run(user_id, run_id):
                raise
        else:
            run.stop(MessageStatus.STOPPED)
            await run.told()

    async def stop_session(self, user_id: str, session_id: str) -> None:
        """Stop the answer under way in a session, if there is one, and wait until it has ended."""
        await self._stop(lambda run: (run.user_id, run.session_id) == (user_id, session_id))

    async def delete_session(self, user_id: str, session_id: str) -> None:
        """Delete a session; an answer under way is stopped, and stores nothing.

        Raises:
            NotFound: the user has no such session.
        """

        async def delete() -> None:
            await self._end_naming(user_id, session_id)
            await self._store.delete_session(user_id, session_id)
            await self._end_work_in(user_id, session_id)
            await self._store.remove_left(user_id)

        await self._remove(delete())

    async def clear_messages(self, user_id: str, session_id: str) -> None:
        """Delete a session's messages; an answer under way is stopped, and stores nothing.

        Raises:
            NotFound: the user has no such session.
        """

        async def clear() -> None:
            await self._end_naming(user_id, session_id)
            await self._store.clear_messages(user_id, session_id)
            await self._end_work_in(user_id, session_id)
            await self._store.remove_left(user_id)

        await self._remove(clear())

    async def erase(self, user_id: str) -> None:
        """Stop all answers of a user, and remove all there is of that user."""

        async def erase() -> None:
            # What was asked before is erased as well.
            await self._wait_for_openings()
            while True:
                await self._end_all_of(user_id)
                await self._store.take_all(user_id)
                # A question may have been on its way into the store: it is gone, but its answer would be counted, and
                # could be read for a while where it has ended already.
                left = [run for run in self._runs.values() if run.user_id == user_id]
                if not left and not self._finished.of(user_id):
                    break
                for run in left:
                    run.stop(MessageStatus.STOPPED)
                    await run.ended()
            await self._store.erase_left(user_id)

        await self._remove(erase())

    async def drain(self, grace: float) -> None:
        """Take no more questions, let answers end for `grace` seconds, interrupt the rest, and wait for all."""
        self._draining = True
        await _cancel(self._naming)
        await self._wait_for_openings()
        under_way = list(self._runs.values())
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                for run in under_way:
                    await run.ended()
                if self._removing:
                    await asyncio.wait(self._removing)
        for run in under_way:
            run.stop(MessageStatus.INTERRUPTED)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._resources.patience.of_the_service):
                for run in under_way:
                    await run.ended()
        for run in under_way:
            # The database is away. What was kept of the answer becomes an interrupted one when it is back.
            run.give_up()
        for run in under_way:
            await run.ended()
        # What they have taken from their users is gone; the rest of it the next process removes.
        await _cancel(self._removing)

    async def _start(self, user_id: str, session_id: str | None, open_turn: Callable[[], Awaitable[OpenedTurn]]) -> Run:
        await self._resources.turn.daily_tokens.require_some(user_id)
        # After whatever is awaited: the service may have begun to stop meanwhile, and waits only for those it knows of.
        self._check_ready()
        self._claims.claim(user_id, session_id)
        opening, opened = _go_on(self._open(user_id, session_id, open_turn), self._opening)
        # After whoever waits for it: the user hears where to follow the answer before the model is asked.
        opening.add_done_callback(_begin)
        return await opened

    def _check_ready(self) -> None:
        if self._draining:
            raise Unavailable("The service is stopping; ask again in a moment.", code="stopping", retry_after=5)
        problem = self._resources.turn.provider.problem()
        if problem is not None:
            raise ProviderError(ProviderFailure.NOT_CONFIGURED, problem)

    async def _open(self, user_id: str, session_id: str | None, open_turn: Callable[[], Awaitable[OpenedTurn]]) -> Run:
        try:
            turn = await open_turn()
        except BaseException:
            self._claims.release(user_id, session_id)
            raise
        self._claims.name(user_id, turn.session.id)
        run = Run(turn, self._resources, on_ended=self._ended)
        self._runs[run.id] = run
        self._resources.flusher.add(run)
        self._resources.metrics.runs_active.inc()
        return run

    def _ended(self, run: Run) -> None:
        self._claims.release(run.user_id, run.session_id)
        self._resources.metrics.runs_active.dec()
        self._resources.flusher.discard(run)
        del self._runs[run.id]
        self._finished.keep(run)
        exchange = run.first_exchange()
        if self._titles is not None and exchange is not None and not self._draining:
            naming = asyncio.create_task(self._titles.name(run.turn.session, *exchange), name=f"name {run.session_id}")
            self._naming[naming] = run.user_id, run.session_id
            naming.add_done_callback(self._naming.pop)

    async def _wait_for_openings(self) -> None:
        """Return when all questions that are on their way into the store by now are there, or have failed to be."""
        if self._opening:
            await asyncio.wait(self._opening)

    async def _end_work_in(self, user_id: str, session_id: str) -> None:
        """Stop what is under way in a session; an answer may just have ended, and its session be about to be named."""
        await self.stop_session(user_id, session_id)
        await self._end_naming(user_id, session_id)

    async def _end_naming(self, user_id: str, session_id: str) -> None:
        """No title is made of messages that go."""
        await _cancel(naming for naming, place in self._naming.items() if place == (user_id, session_id))

    async def _end_all_of(self, user_id: str) -> None:
        """Stop what is under way for a user, and forget what lately was."""
        await self._stop(lambda run: run.user_id == user_id)
        await _cancel(naming for naming, (owner, _session) in self._naming.items() if owner == user_id)
        self._finished.forget(user_id)

    async def _stop(self, concerned: Callable[[Run], bool]) -> None:
        stopped = [run for run in self._runs.values() if concerned(run)]
        for run in stopped:
            run.stop(MessageStatus.STOPPED)
        for run in stopped:
            await run.told()

    async def _remove(self, removal: Coroutine[Any, Any, None]) -> None:
        """Do it although the caller may leave."""
        _task, done = _go_on(removal, self._removing)
        await done


def _go_on(work: Coroutine[Any, Any, T], among: set[asyncio.Task[Any]]) -> tuple[asyncio.Task[T], asyncio.Future[T]]:
    """The work as a task, and its result for a caller that may leave."""
    task = asyncio.create_task(work)
    among.add(task)
    task.add_done_callback(among.discard)
    return task, asyncio.shield(task)


def _begin(opening: asyncio.Task[Run]) -> None:
    """Start what was opened, if it was."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().begin()


async def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """End them, and wait until they have."""
    ending = set(tasks)
    for task in ending:
        task.cancel()
    if ending:
        await asyncio.wait(ending)
