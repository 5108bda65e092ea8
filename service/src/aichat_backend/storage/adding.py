"""New sessions and messages, which are counted where they are added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Executable, Row

from aichat_backend.chat.conversation import Message, Session
from aichat_backend.storage import queries
from aichat_backend.storage.approvals import insert_approval
from aichat_backend.storage.attachments import attach
from aichat_backend.storage.rows import message_row, session_row
from aichat_backend.storage.search import index_message, index_title

if TYPE_CHECKING:
    from datetime import datetime

    from aichat_backend.storage.engines import InsertOrUpdate


def insert_empty_session(connection: Connection, session: Session, insert: InsertOrUpdate) -> None:
    """Add a session in which nothing was said yet."""
    session_pk = _insert_session(connection, session, insert, message_count=0)
    index_title(connection, session.user_id, session_pk, session.title)


def insert_session(connection: Connection, session: Session, insert: InsertOrUpdate) -> int:
    """Add a session for one message, which follows; its row number. Its title is not indexed yet."""
    return _insert_session(connection, session, insert, message_count=1)


def grow_or_insert_session(
    connection: Connection, session: Session, insert: InsertOrUpdate
) -> tuple[Row[*tuple[Any, ...]], bool]:
    """The row of the session for one message more, which follows, and whether the session is new.

    The title of a new one is not indexed yet.
    """
    grown = {"owner": session.user_id, "session": session.id, "now": session.updated_at}
    created = session_row(session, message_count=1)
    row = connection.execute(queries.GROW_SESSION, grown).one_or_none()
    if row is not None:
        return row, False
    row = connection.execute(queries.insert_new_session(insert), created).one()
    connection.execute(queries.count_session(insert), {"owner": session.user_id})
    return row, True


def append_message(connection: Connection, named: Mapping[str, str], message: Message, now: datetime) -> None:
    """Add a message at the end of a session that is there, and index it; `named` are the parameters that name it."""
    grown = connection.execute(queries.GROW_SESSION, {**named, "now": now}).one()
    message_pk = insert_message(connection, message, grown.pk, grown.message_count)
    index_message(connection, named["owner"], grown.pk, message_pk, message.text)


def insert_message(connection: Connection, message: Message, session_pk: int, position: int) -> int:
    """Add a message that its session has counted already; its row number. Its words are not indexed yet."""
    message_pk = _inserted(connection, queries.INSERT_MESSAGE, message_row(message, session_pk, position))
    if message.approval is not None:
        insert_approval(connection, message.approval, message_pk, session_pk)
    attach(connection, message_pk, message)
    return message_pk


def _insert_session(connection: Connection, session: Session, insert: InsertOrUpdate, *, message_count: int) -> int:
    session_pk = _inserted(connection, queries.INSERT_SESSION, session_row(session, message_count=message_count))
    connection.execute(queries.count_session(insert), {"owner": session.user_id})
    return session_pk


def _inserted(connection: Connection, insert: Executable, row: Mapping[str, Any]) -> int:
    """The row number of a new row."""
    inserted = connection.execute(insert, row).inserted_primary_key
    assert inserted is not None  # noqa: S101
    row_number: int = inserted[0]
    return row_number
