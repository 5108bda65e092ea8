"""Answers on their way into a session."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection

from aichat_backend.chat.audit import AuditAction
from aichat_backend.chat.conversation import Message
from aichat_backend.storage.adding import append_message
from aichat_backend.storage.attachments import REMOVE_FROM_SESSION
from aichat_backend.storage.audit import AuditEntry, note
from aichat_backend.storage.positions import close_gaps


def put_answer(
    connection: Connection,
    answer: Message,
    named: Mapping[str, str],
    now: datetime,
    *,
    session_pk: int,
    followed: int,
    replaces: Collection[str],
) -> None:
    """Store an answer in place of what it replaces.

    `named` are the parameters that name its session, `followed` is the position of the message that it follows.
    """
    if replaces:
        REMOVE_FROM_SESSION.run(connection, {**named, "removed": list(replaces)})
        close_gaps(connection, session_pk, followed)
        replaced = AuditEntry(
            at=now,
            action=AuditAction.ANSWER_REPLACED,
            user_id=named["owner"],
            session_id=named["session"],
            subject=answer.id,
            details={"replaced": replaces},
        )
        note(connection, replaced)
    append_message(connection, named, answer, now)
