"""From what was sent to files that can be stored and shown to the model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from aichat_backend.attachments.documents import Locked, Unreadable
from aichat_backend.attachments.extraction import TextExtractor
from aichat_backend.attachments.form import Upload
from aichat_backend.attachments.limits import UploadLimits
from aichat_backend.attachments.native import NativeFiles
from aichat_backend.attachments.types import IMAGES, type_of
from aichat_backend.chat.files import NewFile
from aichat_backend.errors import Impossible, PayloadTooLarge

_UNSUPPORTED = "unsupported_by_model"
_TOO_LARGE = "too_large_for_model"
_WORKERS = 2
"""Files that are looked at at the same time, whoever sent them."""


class Intake:
    """Checks files. `native` is what the model takes as it is."""

    def __init__(self, *, limits: UploadLimits, native: NativeFiles, extractor: TextExtractor) -> None:
        self.limits = limits
        self._native = native
        self._extractor = extractor
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="intake")

    async def take(self, uploads: Sequence[Upload]) -> tuple[NewFile, ...]:
        """The files with their true types and their texts: all of them, or none.

        Raises:
            PayloadTooLarge: there are too many, or one is too large.
            UnsupportedMediaType: one is of a type that is not allowed.
            Impossible: one is empty or locked, or the model cannot make anything of it (`unsupported_by_model`).
        """
        self.require_count(len(uploads))
        loop = asyncio.get_running_loop()
        return tuple(
            await asyncio.gather(*(loop.run_in_executor(self._workers, self._check, upload) for upload in uploads))
        )

    def require_count(self, files: int) -> None:
        """Go on if so many files may go with one message.

        Raises:
            PayloadTooLarge: they are too many.
        """
        if files > self.limits.files:
            raise PayloadTooLarge(f"Too many files: at most {self.limits.files} go with a message, these are {files}.")

    def require_usable(self, filename: str, mime_type: str, *, has_text: bool) -> None:
        """Go on if the model can make something of such a file.

        Raises:
            Impossible: it cannot (`unsupported_by_model`).
        """
        if mime_type in self._native.types or has_text:
            return
        what = (
            "cannot look at images" if mime_type in IMAGES else "reads only the text of such files, and this has none"
        )
        raise Impossible(f"{filename}: the configured model {what}.", code=_UNSUPPORTED)

    def require_room(self, files: Sequence[NewFile]) -> None:
        """Go on if a request to the model has room for all that has no text to be sent instead.

        Raises:
            PayloadTooLarge: it has not (`too_large_for_model`).
        """
        shown = [file for file in files if file.text is None]
        largest, room = self._native.picture_room, self._native.file_room
        for file in shown:
            if largest is not None and file.mime_type in IMAGES and len(file.data) > largest:
                raise PayloadTooLarge(
                    f"{file.filename}: the configured model takes pictures of at most {largest} bytes.", code=_TOO_LARGE
                )
        if room is not None and sum(len(file.data) for file in shown) > room:
            raise PayloadTooLarge(
                "These files are too large for the configured model: pictures, and documents without text, may have "
                f"at most {room} bytes together in one message.",
                code=_TOO_LARGE,
            )

    def close(self) -> None:
        """Take no more, and end what is under way."""
        self._workers.shutdown(wait=False, cancel_futures=True)
        self._extractor.close()

    def _check(self, upload: Upload) -> NewFile:
        name = upload.filename
        if len(upload.data) > self.limits.file_bytes:
            raise PayloadTooLarge(f"{name}: a file may have at most {self.limits.file_bytes} bytes")
        mime_type = type_of(name, upload.claimed_type, upload.data)
        if mime_type in IMAGES:
            self.require_usable(name, mime_type, has_text=False)
        return NewFile(name, mime_type, upload.data, self._text_of(name, mime_type, upload.data))

    def _text_of(self, name: str, mime_type: str, data: bytes) -> str | None:
        try:
            return self._extractor.text_of(mime_type, data)
        except Locked as reason:
            raise Impossible(f"{name}: {reason}") from reason
        except Unreadable as reason:
            if mime_type in self._native.types:
                return None
            raise Impossible(
                f"{name}: {reason} The configured model reads only the text of such files.", code=_UNSUPPORTED
            ) from reason
