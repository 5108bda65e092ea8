"""Sessions on their way out: taken from their user at once and whole, then removed in small transactions.

Between these others write, however much there is to remove. What a process leaves undone, the next one finds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, String, Update, and_, bindparam, cast, delete, select, update

from aichat_backend.storage import queries
from aichat_backend.storage.attachments import Removal
from aichat_backend.storage.database import Storage
from aichat_backend.storage.tables import attachments, messages, runs, sessions

_MESSAGES_A_STEP = 200
_BYTES_A_STEP = 16 * 2**20
"""Of files; a message that has more goes by itself."""

_A_MOMENT = 0.05

_ONE = sessions.c.pk == bindparam("session_pk_")
_LEFT_BY = sessions.c.user_id == bindparam("nobody")


def _disowning(which: ColumnElement[bool]) -> Update:
    renamed = {"user_id": bindparam("nobody"), "id": cast(sessions.c.pk, String(64))}
    return update(sessions).where(which).values(renamed).returning(sessions.c.pk, sessions.c.message_count)


DISOWN_SESSION = _disowning(queries.IS_SESSION)
DISOWN_SOME = _disowning(sessions.c.pk.in_(bindparam("pks", expanding=True)))
DISOWN_ALL = _disowning(queries.OF_OWNER)
END_RUNS = delete(runs).where(runs.c.session_pk.in_(select(sessions.c.pk).where(_LEFT_BY)))

# No user's name begins with a 0.
NEXT_NOBODY = select(sessions.c.user_id).where(sessions.c.user_id < "1").limit(1)
IS_LEFT = select(sessions.c.pk).where(_LEFT_BY).limit(1)
NEXT_LEFT = select(sessions.c.pk, sessions.c.message_count).where(_LEFT_BY).limit(1).with_for_update(skip_locked=True)
"""One that no other process is at."""
FILES_OF_LAST_MESSAGES = (
    select(messages.c.position, attachments.c.size)
    .select_from(messages.join(attachments))
    .where(messages.c.session_pk == bindparam("session_pk_"), messages.c.position > bindparam("last"))
    .order_by(messages.c.position.desc())
)
REMOVE_LAST_MESSAGES = Removal(
    and_(messages.c.session_pk == bindparam("session_pk_"), messages.c.position > bindparam("last"))
)
DELETE_LEFT = delete(sessions).where(_ONE)

Left = Row[*tuple[Any, ...]]
"""A session that was taken from its user: `pk` and `message_count`."""


def nobody_after(user_id: str) -> str:
    """Whose the sessions are that a user has left. Users whose long ids differ in the last digit alone share it."""
    return f"0{user_id}"[:19]


def disown(connection: Connection, which: Update, user_id: str, **named: object) -> Sequence[Left]:
    """Take sessions from their user; the answers under way in them are lost."""
    parameters = {"owner": user_id, "nobody": nobody_after(user_id)}
    left = connection.execute(which, {**parameters, **named}).all()
    if left:
        connection.execute(END_RUNS, parameters)
        connection.execute(queries.COUNT_SESSIONS_LESS, {**parameters, "fewer": len(left)})
    return left


def shorten(connection: Connection, session: Left) -> int:
    """Remove some messages of a session that was taken from its user, it itself with the last; how many."""
    stays = _last_to_stay(connection, session)
    named = {"session_pk_": session.pk}
    REMOVE_LAST_MESSAGES.run(connection, {**named, "last": stays})
    if stays:
        connection.execute(queries.SET_MESSAGE_COUNT, {**named, "new_count": stays})
    else:
        connection.execute(DELETE_LEFT, named)
    return int(session.message_count - stays)


def next_nobody(connection: Connection) -> str | None:
    """Whose sessions are to be removed."""
    return connection.execute(NEXT_NOBODY).scalar_one_or_none()


def remove_some(connection: Connection, nobody: str) -> int | None:
    """Remove some messages of a session that is nobody's; how many. None: there is none, or others are at it."""
    session = connection.execute(NEXT_LEFT, {"nobody": nobody}).one_or_none()
    return None if session is None else shorten(connection, session)


async def remove_left(database: Storage, nobody: str) -> int:
    """Remove all sessions that are this nobody's; how many messages. None is there any more then, whoever removed it.

    Raises:
        Unavailable: when the database fails; what was removed is removed.
    """
    removed = 0
    while await database.read(partial(_is_left, nobody=nobody)):
        some = await database.write(partial(remove_some, nobody=nobody))
        if some is None:
            await asyncio.sleep(_A_MOMENT)
        else:
            removed += some
    return removed


def _is_left(connection: Connection, nobody: str) -> bool:
    return connection.execute(IS_LEFT, {"nobody": nobody}).one_or_none() is not None


def _last_to_stay(connection: Connection, session: Left) -> int:
    count: int = session.message_count
    stays = max(0, count - _MESSAGES_A_STEP)
    room = _BYTES_A_STEP
    for position, size in connection.execute(FILES_OF_LAST_MESSAGES, {"session_pk_": session.pk, "last": stays}):
        room -= size
        if room < 0:
            return min(int(position), count - 1)
    return stays
