"""The files of a message: new ones on their way into the store, and earlier ones that are sent again."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from msgspec import Struct

from aichat_backend.attachments.form import Upload
from aichat_backend.attachments.intake import Intake
from aichat_backend.attachments.quota import UploadQuota
from aichat_backend.chat.files import FileStore, NewFile
from aichat_backend.chat.parts import AttachmentPart
from aichat_backend.errors import ChatError, NotFound

_log = structlog.get_logger(__name__)


class EarlierFile(Struct, frozen=True):
    """A file that the caller has sent before."""

    id: str


SentFile = Upload | EarlierFile


class MessageFiles:
    """Takes the files of messages."""

    def __init__(self, intake: Intake, store: FileStore, quota: UploadQuota) -> None:
        self.limits = intake.limits
        self._intake = intake
        self._store = store
        self._quota = quota

    async def keep(self, user_id: str, files: Sequence[SentFile]) -> tuple[AttachmentPart, ...]:
        """The files as parts of a message, their contents stored. One that cannot be taken refuses all.

        Raises:
            TooManyRequests: the user has uploaded as much as is allowed for now.
            NotFound: an earlier file is not there, or not the user's.
            PayloadTooLarge: they are too many, or too large for the model.
            ChatError: as `Intake.take`.
        """
        self._intake.require_count(len(files))
        uploads = [file for file in files if isinstance(file, Upload)]
        if uploads:
            self._quota.charge(user_id, files=len(uploads), size=sum(len(upload.data) for upload in uploads))
        taken = iter(await self._intake.take(uploads))
        accepted = [
            await self._earlier(user_id, file.id) if isinstance(file, EarlierFile) else next(taken) for file in files
        ]
        self._intake.require_room(accepted)
        return tuple([await self._store.keep(file) for file in accepted])

    async def forget(self, files: Sequence[AttachmentPart]) -> None:
        """Let go of what was kept for a message that was then refused. Where that fails, it goes after a while."""
        try:
            await self._store.forget(files)
        except ChatError as error:
            _log.warning("files_not_forgotten", files=len(files), detail=error.detail or error.message)

    async def _earlier(self, user_id: str, attachment_id: str) -> NewFile:
        part = await self._store.find(user_id, attachment_id)
        stored = await self._store.read(part.sha256)
        if stored is None:
            raise NotFound("Attachment not found")
        self._intake.require_usable(part.filename, part.mime_type, has_text=stored.text is not None)
        return NewFile(part.filename, part.mime_type, stored.data, stored.text)
