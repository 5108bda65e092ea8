"""What an answer follows: the newest messages of a session, as many as it has use for.

Their contents are read before the transaction that opens a turn, which no writer waits for. Messages never change, so
what that transaction must still see to is which of them there are, and what has become of their approvals.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import closing
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import Connection, Result, Row

from aichat_backend.chat.approvals import ApprovalStatus
from aichat_backend.chat.conversation import Message
from aichat_backend.chat.parts import Role
from aichat_backend.storage import encoding, queries
from aichat_backend.storage.rows import message_of

_LONGEST = 500
"""Messages that an answer follows."""

_LARGEST = 8 * 2**20
"""Characters of them, as they are stored: two million tokens, for which hardly a model has room."""

_AT_ONCE = 50
"""Messages that are asked for at a time, since a server sends all that it is asked for."""

_END = 2**31 - 1
"""Beyond the last message of every session."""

Contents = Mapping[int, Message]
"""Messages by their row numbers, which are never used twice."""


class History(Struct, frozen=True):
    """The messages up to a position."""

    messages: tuple[Message, ...]
    """Oldest first."""
    is_cut: bool
    """Whether there are more before them."""


def read_contents(connection: Connection, named: Mapping[str, str]) -> Contents:
    """What an answer would follow in the session that the parameters name; nothing where there is none."""
    return _newest(connection, named, _END)


def history(connection: Connection, named: Mapping[str, str], last: int, contents: Contents) -> History:
    """The session's messages up to that position as they are now; `contents` were read a moment ago."""
    places = connection.execute(queries.PLACES, {**named, "first": last - _LONGEST + 1, "last": last}).all()
    read = [place.pk in contents for place in places]
    if not any(read):
        contents = _newest(connection, named, last)
    elif False in read[read.index(True) :]:
        came_later = len(read) - read.index(False, read.index(True))
        later = _rows(connection, named, last, came_later)
        contents = {**contents, **{row.pk: message_of(row) for row in later}}
    kept = [place for place in places if place.pk in contents]
    return History(
        tuple(_as_it_stands(contents[place.pk], place) for place in kept), is_cut=bool(kept) and kept[0].position > 1
    )


def _newest(connection: Connection, named: Mapping[str, str], last: int) -> Contents:
    """As many as an answer follows, but in any case the last question with all that followed it."""
    contents: dict[int, Message] = {}
    size, has_question = 0, False
    with closing(_newest_first(connection, named, last)) as rows:
        for row in rows:
            size += len(row.parts) + len(row.context) + len(row.approval_calls or "")
            if size > _LARGEST and has_question:
                break
            contents[row.pk] = message = message_of(row)
            has_question = has_question or message.role is Role.USER
    return contents


def _newest_first(
    connection: Connection, named: Mapping[str, str], last: int
) -> Generator[Row[*tuple[Any, ...]], None, None]:
    for left in range(_LONGEST, 0, -_AT_ONCE):
        began = last
        with _rows(connection, named, last, min(left, _AT_ONCE)) as rows:
            for row in rows:
                last = row.position - 1
                yield row
        if last in (0, began):
            break


def _rows(connection: Connection, named: Mapping[str, str], last: int, limit: int) -> Result[*tuple[Any, ...]]:
    return connection.execute(queries.CONTENTS, {**named, "last": last, "limit": limit})


def _as_it_stands(message: Message, place: Row[*tuple[Any, ...]]) -> Message:
    if message.approval is None or message.approval.status.value == place.status:
        return message
    approved_ids = encoding.decode_ids(place.approved_ids)
    approval = structs.replace(message.approval, status=ApprovalStatus(place.status), approved_ids=approved_ids)
    return structs.replace(message, approval=approval)
