"""Positions of messages: dense in their session, so that every page is a range of them."""

from __future__ import annotations

from sqlalchemy import Connection

from aichat_backend.storage import queries


def close_gaps(connection: Connection, session_pk: int, last: int) -> None:
    """Let what is left behind the message at `last` follow it at once, and count the session's messages anew."""
    later = connection.execute(queries.LATER_MESSAGES, {"session_pk_": session_pk, "last": last}).scalars().all()
    if later:
        moved = [{"message_pk_": pk, "new_position": position} for position, pk in enumerate(later, last + 1)]
        connection.execute(queries.MOVE_MESSAGE, moved)
    count = {"session_pk_": session_pk, "new_count": last + len(later)}
    connection.execute(queries.SET_MESSAGE_COUNT, count)
