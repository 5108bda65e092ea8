"""Which messages have which files, and which contents nobody refers to any more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Select,
    Update,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from aichat_backend.chat.conversation import Message
from aichat_backend.chat.parts import AttachmentPart, ToolResultPart
from aichat_backend.storage.queries import IN_SESSION, OF_OWNER
from aichat_backend.storage.rows import ATTACHMENT_COLUMNS, attachment_row
from aichat_backend.storage.tables import attachments, blobs, messages, runs, sessions, uploads

PATIENCE = timedelta(hours=1)
"""How long contents are kept for a message that never comes. One that is still being made is waited for."""

ATTACHMENT = (
    select(*ATTACHMENT_COLUMNS)
    .select_from(attachments.join(messages).join(sessions))
    .where(attachments.c.id == bindparam("attachment"), OF_OWNER)
    .limit(1)
)
"""A user's file, with whichever message it goes."""

IS_UPLOADED = exists().where(uploads.c.sha256 == blobs.c.sha256)
"""The contents are kept for a message that is not stored yet."""

IS_ATTACHED = exists().where(attachments.c.sha256 == blobs.c.sha256)
"""The contents are of some message's file."""

STALE_UPLOADS = select(uploads.c.sha256).where(uploads.c.kept_at < bindparam("kept_before"))
DELETE_STALE_UPLOADS = delete(uploads).where(uploads.c.kept_at < bindparam("kept_before"))
DELETE_UNREFERENCED = delete(blobs).where(
    blobs.c.sha256.in_(bindparam("contents", expanding=True)), ~IS_ATTACHED, ~IS_UPLOADED
)

CLAIM_CONTENTS = (
    update(blobs).where(blobs.c.sha256.in_(bindparam("contents", expanding=True))).values(size=blobs.c.size)
)

_UNDER_WAY_SINCE = select(func.min(messages.c.created_at)).select_from(
    runs.join(messages, messages.c.pk == runs.c.message_pk)
)
"""When the oldest of the questions was asked that are being answered."""

_INSERT = insert(attachments)
_FORGET_UPLOADS = delete(uploads).where(uploads.c.id.in_(bindparam("ids", expanding=True)))


def attach(connection: Connection, message_pk: int, message: Message) -> None:
    """Note which files go with a message that was just stored."""
    files = {file.id: file for file in _files_of(message)}
    if files:
        connection.execute(_INSERT, [attachment_row(file, message_pk) for file in files.values()])
        connection.execute(_FORGET_UPLOADS, {"ids": list(files)})


def _files_of(message: Message) -> Iterator[AttachmentPart]:
    for part in message.parts:
        if isinstance(part, AttachmentPart):
            yield part
        elif isinstance(part, ToolResultPart):
            yield from part.files


def drop_uploads(connection: Connection, files: Sequence[AttachmentPart]) -> None:
    """Remove contents that were kept for a message which will not come, unless they are of others as well."""
    contents = [file.sha256 for file in files]
    connection.execute(_FORGET_UPLOADS, {"ids": [file.id for file in files]})
    claim_contents(connection, CLAIM_CONTENTS, {"contents": contents})
    connection.execute(DELETE_UNREFERENCED, {"contents": contents})


def drop_stale_uploads(connection: Connection, now: datetime) -> None:
    """Remove contents that were kept for messages which never came."""
    before = now - PATIENCE
    if not _stale(connection, before):
        return
    # What tools return is kept after the question was asked, and goes with the answer: that may take longer than our
    # patience, or be of a process that has died. Until then nobody knows which of these contents are its own.
    before = min(before, connection.execute(_UNDER_WAY_SINCE).scalar_one() or before)
    contents = _stale(connection, before)
    if contents:
        connection.execute(DELETE_STALE_UPLOADS, {"kept_before": before})
        claim_contents(connection, CLAIM_CONTENTS, {"contents": contents})
        connection.execute(DELETE_UNREFERENCED, {"contents": contents})


def _stale(connection: Connection, before: datetime) -> Sequence[str]:
    return connection.execute(STALE_UPLOADS, {"kept_before": before}).scalars().all()


def claim_contents(connection: Connection, claim: Update, parameters: Mapping[str, Any]) -> None:
    """Let whoever else keeps or removes these contents at the same time run again, and see what was done here.

    Whether contents are needed depends on rows that others add and remove. A snapshot does not show these, and no lock
    on the contents makes it newer; but of two transactions that write the same row, one runs again. Where writers come
    one by one there is nothing to do, and writing the row would write the file.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(claim, parameters)


class Removal:
    """Removes messages, with what was said in them, asked in them and attached to them.

    Contents that other messages have as well, or that are kept for a message to come, stay.
    """

    def __init__(self, doomed: ColumnElement[bool]) -> None:
        leaving = select(messages.c.pk).where(doomed)
        theirs = select(attachments.c.sha256).where(attachments.c.message_pk.in_(leaving))
        self._claim = update(blobs).where(blobs.c.sha256.in_(theirs)).values(size=blobs.c.size)
        self._contents = _contents_of(theirs, leaving)
        self._messages = delete(messages).where(doomed)

    def run(self, connection: Connection, parameters: Mapping[str, Any]) -> None:
        """Remove them."""
        claim_contents(connection, self._claim, parameters)
        connection.execute(self._contents, parameters)
        connection.execute(self._messages, parameters)


def _contents_of(theirs: Select[tuple[str]], leaving: Select[*tuple[Any, ...]]) -> Delete:
    elsewhere = exists().where(attachments.c.sha256 == blobs.c.sha256, attachments.c.message_pk.not_in(leaving))
    return delete(blobs).where(blobs.c.sha256.in_(theirs), ~elsewhere, ~IS_UPLOADED)


REMOVE_FROM_SESSION = Removal(and_(messages.c.id.in_(bindparam("removed", expanding=True)), IN_SESSION))
