"""The files of a conversation on their way to a model: as they are where there is room, else as their text.

They are sent again with every question. So without an end to it, a conversation with many of them would become too
large for its provider, and fail for ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aichat_backend.chat.files import FileReader, StoredFile
from aichat_backend.chat.marks import file_content
from aichat_backend.chat.parts import AttachmentPart, FilePart, TextPart
from aichat_backend.chat.transcript import Step, files_in
from aichat_backend.providers.base import Capabilities

MOST_FILE_BYTES = 20_000_000
"""Of earlier turns, where the provider has no limit of its own: they all are in memory at the same time."""


async def load_files(steps: Sequence[Step], files: FileReader, able: Capabilities) -> Mapping[str, FilePart | TextPart]:
    """What is sent of each file, by its id. The newest are shown first, and what has no text before what has one."""
    room = _Room(able)
    loaded: dict[str, FilePart | TextPart] = {}
    latest = max((position for position, step in enumerate(steps) if step.opens_turn), default=0)
    for position in range(len(steps) - 1, -1, -1):
        here = tuple(files_in(steps[position : position + 1]))
        # Pictures have no text, and need not be read to learn that.
        stored = {part.id: await files.read(part.sha256) for part in here if not _is_picture(part)}
        for part in sorted(here, key=lambda part: _text_of(stored.get(part.id)) is not None):
            if not able.shows(part.mime_type) or room.take(part, latest=position >= latest):
                loaded[part.id] = _whole(part, stored.get(part.id) or await files.read(part.sha256))
            else:
                loaded[part.id] = _instead(part, stored.get(part.id))
    return loaded


class _Room:
    """What is left for files that are sent as they are."""

    def __init__(self, able: Capabilities) -> None:
        self._limited = able.file_room is not None
        self._left = MOST_FILE_BYTES if able.file_room is None else able.file_room
        self._for_a_picture = able.picture_room

    def take(self, part: AttachmentPart, *, latest: bool) -> bool:
        """Whether the file is shown; it has its room then. The latest turn has what it needs, as far as is known."""
        if _is_picture(part) and self._for_a_picture is not None and part.size > self._for_a_picture:
            return False
        if part.size > self._left and (self._limited or not latest):
            return False
        self._left -= part.size
        return True


def _whole(part: AttachmentPart, stored: StoredFile | None) -> FilePart | TextPart:
    if stored is None:
        return TextPart(f"[The file {part.filename} is no longer there.]")
    # Contents are stored once, whatever name they came under: so the name is put to them here.
    text = None if stored.text is None else file_content(part.filename, stored.text)
    return FilePart(part.filename, part.mime_type, stored.data, text)


def _instead(part: AttachmentPart, stored: StoredFile | None) -> TextPart:
    text = _text_of(stored)
    if text is not None:
        return TextPart(file_content(part.filename, text))
    return TextPart(f"[The file {part.filename} is not shown: this request has no room for it.]")


def _text_of(stored: StoredFile | None) -> str | None:
    return None if stored is None else stored.text


def _is_picture(part: AttachmentPart) -> bool:
    return part.mime_type.startswith("image/")
