"""Runs under way in the database: how they begin and end with their turns; the `RunStore` of the running service."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Executable, bindparam, delete, select, update

from aichat_backend.chat.audit import ToolStart
from aichat_backend.chat.conversation import random_id
from aichat_backend.chat.turns import OpenedTurn
from aichat_backend.chat.underway import (
    KeptDraft,
    News,
    Owner,
    SignOfLife,
    interrupted_answer,
    session_busy,
)
from aichat_backend.storage import encoding, queries
from aichat_backend.storage.answers import put_answer
from aichat_backend.storage.audit import note, tool_started
from aichat_backend.storage.clock import Clock, utc_now
from aichat_backend.storage.database import Storage
from aichat_backend.storage.encoding import with_repaired_text
from aichat_backend.storage.indexing import index_questions
from aichat_backend.storage.rows import MESSAGE_COLUMNS, message_of
from aichat_backend.storage.tables import approvals, messages, runs, sessions
from aichat_backend.storage.text import is_plain
from aichat_backend.storage.usage import count_usage

if TYPE_CHECKING:
    from aichat_backend.storage.engines import InsertOrUpdate

SIGNS = select(runs.c.id, runs.c.owner, runs.c.incarnation, runs.c.beat)
NEWS = select(runs.c.id, runs.c.stop_wanted).where(runs.c.id.in_(bindparam("ids", expanding=True)))
_WITH_SESSION = runs.join(sessions, sessions.c.pk == runs.c.session_pk)
SESSION_OF_RUN = (
    select(sessions.c.id)
    .select_from(_WITH_SESSION)
    .where(runs.c.id == bindparam("run"), sessions.c.user_id == bindparam("owner"))
)
RUN_IN_SESSION = select(runs.c.id).select_from(_WITH_SESSION).where(queries.IS_SESSION)
WANT_STOPPED = update(runs).where(runs.c.id == bindparam("run")).values(stop_wanted=True)
BEAT = (
    update(runs)
    .where(runs.c.id.in_(bindparam("ids", expanding=True)))
    .values(beat=runs.c.beat + 1, kept_at=bindparam("now"))
)
KEEP = update(runs).where(runs.c.id == bindparam("run")).values(draft=bindparam("kept"))
END = delete(runs).where(runs.c.id == bindparam("run"))
END_DEAD = END.where(runs.c.beat == bindparam("last_beat"))
DEAD = (
    select(
        runs.c.session_pk,
        runs.c.replaces,
        runs.c.draft,
        runs.c.kept_at,
        messages.c.position,
        sessions.c.id.label("session_id"),
        sessions.c.user_id,
        *MESSAGE_COLUMNS,
    )
    .select_from(
        _WITH_SESSION.join(messages, messages.c.pk == runs.c.message_pk).outerjoin(
            approvals, approvals.c.message_pk == messages.c.pk
        )
    )
    .where(runs.c.id == bindparam("run"))
    .with_for_update(of=sessions)
)
"""A run with all that its answer needs; its session is kept from other writers."""


@cache
def _begin(insert_or_nothing: InsertOrUpdate) -> Executable:
    return insert_or_nothing(runs).on_conflict_do_nothing(index_elements=[runs.c.session_pk]).returning(runs.c.id)


def begin_run(
    connection: Connection,
    insert_or_nothing: InsertOrUpdate,
    turn: OpenedTurn,
    owner: Owner,
    now: datetime,
    *,
    session_pk: int,
    message_pk: int,
) -> None:
    """Let a turn that is being opened be under way, its session being kept from other writers.

    Raises:
        Conflict: another one is.
    """
    row = {
        "session_pk": session_pk,
        "message_pk": message_pk,
        "id": turn.run_id,
        "owner": owner.name,
        "incarnation": owner.incarnation,
        "beat": 0,
        "replaces": encoding.encode(turn.replaces),
        "draft": encoding.encode(KeptDraft()),
        "kept_at": now,
    }
    if connection.execute(_begin(insert_or_nothing), row).one_or_none() is None:
        raise session_busy()


def end_run(connection: Connection, turn: OpenedTurn) -> bool:
    """Whether the turn was still under way; it no longer is."""
    index_questions(connection, [turn.run_id])
    return bool(connection.execute(END, {"run": turn.run_id}).rowcount)


class SqlRunStore:
    """Runs under way, in SQL."""

    def __init__(self, database: Storage, *, clock: Clock = utc_now, new_id: Callable[[], str] = random_id) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id

    async def keep(self, drafts: Mapping[str, KeptDraft], alive: Collection[str]) -> News:
        """Store these drafts, and a sign of life of all these runs; the news of them."""
        ids = sorted(alive)
        now = self._clock()

        def keep(connection: Connection) -> News:
            index_questions(connection, ids)
            connection.execute(BEAT, {"ids": ids, "now": now})
            if drafts:
                rows = [{"run": run_id, "kept": encoding.encode(drafts[run_id])} for run_id in sorted(drafts)]
                connection.execute(KEEP, rows)
            return _news(connection, ids)

        return await self._database.write(keep)

    async def news(self, run_ids: Collection[str]) -> News:
        """What has become of these runs."""
        ids = sorted(run_ids)
        return await self._database.read(lambda connection: _news(connection, ids))

    async def begin_calls(self, run_id: str, draft: KeptDraft, calls: Sequence[ToolStart]) -> bool:
        """Store what led to tool calls, and that they begin. False, and nothing stored: the run is not under way."""
        now = self._clock()
        kept = {"run": run_id, "kept": encoding.encode(draft)}

        def begin(connection: Connection) -> bool:
            if not connection.execute(BEAT, {"ids": [run_id], "now": now}).rowcount:
                return False
            connection.execute(KEEP, kept)
            note(connection, *(tool_started(call, now) for call in calls))
            return True

        return await self._database.write(begin)

    async def session_of_run(self, user_id: str, run_id: str) -> str | None:
        """The session that a run of the user answers in, in whichever process."""
        return await self._read_id(SESSION_OF_RUN, {"owner": user_id, "run": run_id})

    async def run_in_session(self, user_id: str, session_id: str) -> str | None:
        """The run that answers in a session of the user, in whichever process."""
        return await self._read_id(RUN_IN_SESSION, {"owner": user_id, "session": session_id})

    async def want_stopped(self, run_id: str) -> None:
        """Let whoever makes this run stop it."""
        await self._database.write(lambda connection: connection.execute(WANT_STOPPED, {"run": run_id}))

    async def signs(self) -> Sequence[SignOfLife]:
        """Every run that is under way, in whichever process."""

        def read(connection: Connection) -> Sequence[SignOfLife]:
            return [
                SignOfLife(row.id, Owner(row.owner, row.incarnation), row.beat) for row in connection.execute(SIGNS)
            ]

        return await self._database.read(read)

    async def interrupt(self, sign: SignOfLife) -> bool:
        """Make what was kept of a dead run its session's answer. False when it has shown life since, or has ended."""
        now = self._clock()

        def interrupt(connection: Connection) -> bool:
            index_questions(connection, [sign.run_id])
            row = connection.execute(DEAD, {"run": sign.run_id}).one_or_none()
            ended = connection.execute(END_DEAD, {"run": sign.run_id, "last_beat": sign.beat}).rowcount
            if row is None or not ended:
                return False
            draft = encoding.decode_draft(row.draft)
            answer = with_repaired_text(interrupted_answer(self._new_id(), draft, message_of(row), row.kept_at))
            named = {"owner": row.user_id, "session": row.session_id}
            # An answer of which nothing was kept takes the place of none that was whole.
            replaces = encoding.decode_ids(row.replaces) if answer.parts else ()
            put_answer(
                connection,
                answer,
                named,
                now,
                session_pk=row.session_pk,
                followed=row.position,
                replaces=replaces,
            )
            if draft.usage is not None and draft.model is not None:
                count_usage(connection, self._database.insert, row.user_id, draft.model, draft.usage, now)
            return True

        return await self._database.write(interrupt)

    async def _read_id(self, statement: Executable, named: Mapping[str, str]) -> str | None:
        if not all(map(is_plain, named.values())):
            return None
        return await self._database.read(lambda connection: connection.scalar(statement, named))


def _news(connection: Connection, ids: Sequence[str]) -> News:
    rows = connection.execute(NEWS, {"ids": ids}).all()
    return News(frozenset(row.id for row in rows), frozenset(row.id for row in rows if row.stop_wanted))
