"""Files in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from aichat_backend.chat.files import NewFile, StoredFile
from aichat_backend.chat.parts import AttachmentPart
from aichat_backend.errors import NotFound


class FilesInMemory:
    """A `FileStore` that keeps everything; each file's id is its number."""

    def __init__(self) -> None:
        self.contents: dict[str, StoredFile] = {}
        self.kept: list[AttachmentPart] = []

    async def keep(self, file: NewFile) -> AttachmentPart:
        """Keep the file."""
        sha256 = hashlib.sha256(file.data).hexdigest()
        self.contents[sha256] = StoredFile(file.data, file.text)
        part = AttachmentPart(str(len(self.kept) + 1), file.filename, file.mime_type, len(file.data), sha256)
        self.kept.append(part)
        return part

    async def read(self, sha256: str) -> StoredFile | None:
        """What was kept."""
        return self.contents.get(sha256)

    async def find(self, user_id: str, attachment_id: str) -> AttachmentPart:
        """None belongs to anybody: nothing was sent."""
        raise NotFound(f"{user_id} has no attachment {attachment_id}")

    async def forget(self, files: Sequence[AttachmentPart]) -> None:
        """Nothing: whatever a test kept it may look at."""
