"""Files that go with messages, as the conversation sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from aichat_backend.chat.parts import AttachmentPart


class NewFile(Struct, frozen=True):
    """A file that was taken in and checked."""

    filename: str
    mime_type: str
    """What the bytes are."""
    data: bytes
    text: str | None = None
    """What the file says; None for images."""


class StoredFile(Struct, frozen=True):
    """The contents of a file."""

    data: bytes
    text: str | None


class FileReader(Protocol):
    """Contents by hash, to be read.

    Raises:
        Unavailable: when the database does not answer.
    """

    async def read(self, sha256: str) -> StoredFile | None:
        """The contents of that hash; None when they are gone."""


class FileStore(FileReader, Protocol):
    """Contents by hash. A file that no message refers to disappears after a while.

    Raises:
        Unavailable: when the database does not answer.
    """

    async def keep(self, file: NewFile) -> AttachmentPart:
        """Store the contents, unless they are there already; the part under a fresh id is for a message."""

    async def find(self, user_id: str, attachment_id: str) -> AttachmentPart:
        """The user's attachment of that id.

        Raises:
            NotFound: there is none, or it is another user's.
        """

    async def forget(self, files: Sequence[AttachmentPart]) -> None:
        """Let go of files that were kept for a message which will not come; what messages have stays."""


class ReadOnce:
    """Reads each file once and keeps it: a model is asked with the same files again and again while it uses tools."""

    def __init__(self, reader: FileReader) -> None:
        self._reader = reader
        self._read: dict[str, StoredFile | None] = {}

    async def read(self, sha256: str) -> StoredFile | None:
        """The contents of that hash; None when they are gone."""
        if sha256 not in self._read:
            self._read[sha256] = await self._reader.read(sha256)
        return self._read[sha256]
