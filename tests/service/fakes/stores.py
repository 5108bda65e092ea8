"""The stores of a database, as tests like to hold them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import Connection, delete, select

from aichat_backend.chat.approvals import Decision
from aichat_backend.chat.conversation import Page, random_id
from aichat_backend.chat.search import FoundSession
from aichat_backend.chat.turns import OpenedTurn
from aichat_backend.chat.underway import Owner
from aichat_backend.errors import Conflict
from aichat_backend.storage import queries
from aichat_backend.storage.clock import Clock, utc_now
from aichat_backend.storage.conversations import SqlConversationStore
from aichat_backend.storage.database import Database
from aichat_backend.storage.indexing import index_questions
from aichat_backend.storage.tables import runs, sessions
from aichat_backend.storage.turns import SqlTurnStore

HERE = Owner("here", "1")

_UNDER_WAY = select(runs.c.id)
_LEAVE = delete(runs).where(runs.c.session_pk.in_(select(sessions.c.pk).where(queries.IS_SESSION)))


def index_all(connection: Connection) -> None:
    """Let all questions be found, as their runs see to within a second."""
    index_questions(connection, connection.execute(_UNDER_WAY).scalars().all())


class Store(SqlConversationStore, SqlTurnStore):
    """Conversations, and the turns in which they are made, in one.

    A session is never busy here: whoever opens a turn leaves the one before it. And a search comes late enough to find
    every question.
    """

    def __init__(self, database: Database, *, clock: Clock = utc_now, new_id: Callable[[], str] = random_id) -> None:
        SqlConversationStore.__init__(self, database, clock=clock, new_id=new_id)
        SqlTurnStore.__init__(self, database, HERE, clock=clock, new_id=new_id)

    async def open_turn(self, user_id: str, session_id: str | None, **said: Any) -> OpenedTurn:
        opening = super().open_turn
        return await self._leaving_others(user_id, session_id, lambda: opening(user_id, session_id, **said))

    async def reopen_turn(self, user_id: str, session_id: str) -> OpenedTurn:
        reopening = super().reopen_turn
        return await self._leaving_others(user_id, session_id, lambda: reopening(user_id, session_id))

    async def decide_turn(self, user_id: str, session_id: str | None, decision: Decision) -> OpenedTurn:
        deciding = super().decide_turn
        place = session_id or await self.session_of_approval(user_id, decision.approval_id)
        return await self._leaving_others(user_id, place, lambda: deciding(user_id, place, decision))

    async def erase(self, user_id: str) -> None:
        """Forget a user who does nothing meanwhile."""
        await self.take_all(user_id)
        await self.erase_left(user_id)

    async def find_sessions(self, user_id: str, query: str, *, page: int, limit: int) -> Page[FoundSession]:
        await self._database.write(index_all)
        return await super().find_sessions(user_id, query, page=page, limit=limit)

    async def _leaving_others(
        self, user_id: str, session_id: str | None, opening: Callable[[], Awaitable[OpenedTurn]]
    ) -> OpenedTurn:
        def leave(connection: Connection) -> None:
            index_all(connection)
            connection.execute(_LEAVE, {"owner": user_id, "session": session_id})

        while True:
            try:
                return await opening()
            except Conflict as error:
                if error.code != "session_busy":
                    raise
            await self._database.write(leave)
