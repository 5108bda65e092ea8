"""Answers that other processes make on the same database: they can be had stopped here, but not followed."""

from __future__ import annotations

import asyncio
from time import monotonic

from aichat_backend.chat.refusals import Refusal
from aichat_backend.chat.underway import RunStore
from aichat_backend.errors import Unavailable

PATIENCE_SECONDS = 25.0
"""A process that lives hears of it within a second; one that is dead is found to be, and its answer ended, by then."""

BETWEEN_LOOKS_SECONDS = 0.1

_NOT_HERE = (
    "This answer is being written by another server, and cannot be followed from here. It is kept: reload the "
    "conversation in a little while."
)
_NOT_STOPPED = "The answer is being written by another server, which does not react. Try again in a moment."


class Elsewhere:
    """What users want of answers that are made by another process than the one they ask."""

    def __init__(
        self,
        store: RunStore,
        *,
        patience: float = PATIENCE_SECONDS,
        between_looks: float = BETWEEN_LOOKS_SECONDS,
    ) -> None:
        self._store = store
        self._patience = patience
        self._between_looks = between_looks

    async def refuse_to_follow(self, user_id: str, run_id: str) -> Refusal | None:
        """What a reader of this answer hears; None when no other process makes it.

        Raises:
            Unavailable: the database does not answer.
        """
        session_id = await self._store.session_of_run(user_id, run_id)
        return None if session_id is None else Refusal(user_id, session_id, Unavailable(_NOT_HERE))

    async def stop_run(self, user_id: str, run_id: str) -> bool:
        """Whether another process made this answer; it has ended then, and is stored.

        Raises:
            Unavailable: it does not end, or the database does not answer.
        """
        if await self._store.session_of_run(user_id, run_id) is None:
            return False
        await self._stop(run_id)
        return True

    async def stop_session(self, user_id: str, session_id: str) -> None:
        """Stop the answer that another process makes in a session, if there is one, and wait until it is stored.

        Raises:
            Unavailable: it does not end, or the database does not answer.
        """
        run_id = await self._store.run_in_session(user_id, session_id)
        if run_id is not None:
            await self._stop(run_id)

    async def _stop(self, run_id: str) -> None:
        await self._store.want_stopped(run_id)
        deadline = monotonic() + self._patience
        while (await self._store.news([run_id])).unfinished:
            if monotonic() > deadline:
                raise Unavailable(_NOT_STOPPED, code="not_stopped", retry_after=5)
            await asyncio.sleep(self._between_looks)
