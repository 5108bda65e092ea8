"""Which files the configured model takes as they are."""

from __future__ import annotations

from typing import Self

from msgspec import Struct

from aichat_backend.attachments.types import IMAGES, PDF


class NativeFiles(Struct, frozen=True, kw_only=True):
    """Types, and how much of them; None is as much as may be sent at all."""

    types: frozenset[str]
    file_room: int | None = None
    """Bytes that all files together may have."""
    picture_room: int | None = None
    """Bytes that one picture may have."""

    @classmethod
    def of(cls, *, images: bool, pdfs: bool, file_room: int | None = None, picture_room: int | None = None) -> Self:
        """Those of a model that looks at images, or reads PDFs, or both."""
        types = frozenset(IMAGES if images else ()) | frozenset((PDF,) if pdfs else ())
        return cls(types=types, file_room=file_room, picture_room=picture_room)
