"""Texts that are used and never shown."""

from __future__ import annotations

from aichat_backend.config.urls import MASK


class Secret:
    """A text that only who asks for it gets: printed, logged or put into another text, it is a mask."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not stored")


def one_word(secret: Secret) -> Secret:
    """Refuse what an HTTP header cannot carry: that is a slip of copy and paste.

    Raises:
        ValueError: it is empty, or not all of it is printable ASCII without blanks.
    """
    text = secret.reveal()
    if not text.isascii() or not text.isprintable() or not text or " " in text:
        raise ValueError("must be one word of ASCII characters, without blanks and line ends")
    return secret
