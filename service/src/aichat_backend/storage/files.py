"""Files in the database: the `FileStore` of the running service."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Executable, bindparam, insert, select

from aichat_backend.chat.conversation import random_id
from aichat_backend.chat.files import NewFile, StoredFile
from aichat_backend.chat.parts import AttachmentPart
from aichat_backend.errors import NotFound
from aichat_backend.storage.attachments import (
    ATTACHMENT,
    CLAIM_CONTENTS,
    claim_contents,
    drop_stale_uploads,
    drop_uploads,
)
from aichat_backend.storage.clock import Clock, utc_now
from aichat_backend.storage.database import Storage
from aichat_backend.storage.rows import attachment_of
from aichat_backend.storage.tables import blobs, uploads
from aichat_backend.storage.text import is_plain, storable

if TYPE_CHECKING:
    from aichat_backend.storage.engines import InsertOrUpdate

CONTENTS = select(blobs.c.data, blobs.c.text).where(blobs.c.sha256 == bindparam("sha256"))

_INSERT_UPLOAD = insert(uploads)


@cache
def _insert_contents(insert_or_nothing: InsertOrUpdate) -> Executable:
    return insert_or_nothing(blobs).on_conflict_do_nothing(index_elements=[blobs.c.sha256])


class SqlFileStore:
    """Contents of files in SQL: in one transaction, and one backup, with the messages they go with."""

    def __init__(self, database: Storage, *, clock: Clock = utc_now, new_id: Callable[[], str] = random_id) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id

    async def keep(self, file: NewFile) -> AttachmentPart:
        """Store the contents, unless they are there already; the part under a fresh id is for a message."""
        sha256 = await asyncio.to_thread(_sha256, file.data)
        part = AttachmentPart(self._new_id(), storable(file.filename), storable(file.mime_type), len(file.data), sha256)
        text = None if file.text is None else storable(file.text)
        contents = {"sha256": sha256, "size": part.size, "text": text, "data": file.data}
        now = self._clock()
        upload = {"id": part.id, "sha256": sha256, "kept_at": now}
        insert_contents = _insert_contents(self._database.insert)

        def store(connection: Connection) -> AttachmentPart:
            drop_stale_uploads(connection, now)
            connection.execute(insert_contents, contents)
            claim_contents(connection, CLAIM_CONTENTS, {"contents": [sha256]})
            connection.execute(_INSERT_UPLOAD, upload)
            return part

        return await self._database.write(store)

    async def read(self, sha256: str) -> StoredFile | None:
        """The contents of that hash; None when they are gone."""

        def find(connection: Connection) -> StoredFile | None:
            row = connection.execute(CONTENTS, {"sha256": sha256}).one_or_none()
            return None if row is None else StoredFile(row.data, row.text)

        return await self._database.read(find)

    async def find(self, user_id: str, attachment_id: str) -> AttachmentPart:
        """The user's attachment of that id.

        Raises:
            NotFound: there is none, or it is another user's.
        """
        not_found = NotFound("Attachment not found")
        if not is_plain(attachment_id):
            raise not_found

        def look_up(connection: Connection) -> AttachmentPart:
            row = connection.execute(ATTACHMENT, {"owner": user_id, "attachment": attachment_id}).one_or_none()
            if row is None:
                raise not_found
            return attachment_of(row)

        return await self._database.read(look_up)

    async def forget(self, files: Sequence[AttachmentPart]) -> None:
        """Let go of files that were kept for a message which will not come; what messages have stays."""
        if files:
            await self._database.write(lambda connection: drop_uploads(connection, files))

    async def drop_stale(self) -> None:
        """Remove contents that were kept for messages which never came. Every `keep` does so too."""
        now = self._clock()
        await self._database.write(lambda connection: drop_stale_uploads(connection, now))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
