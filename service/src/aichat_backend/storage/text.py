"""Which text can be stored as it is.

A Python string can hold two things that databases refuse: lone surrogates, which no UTF-8 can express, and NUL, which
PostgreSQL keeps out of its text. What users send with lone surrogates is refused; in a model's answer they are
repaired, because an answer must not be lost for one broken emoji. NUL stays in messages (their JSON escapes it) and
becomes the replacement character in what has a column of its own, such as titles.
"""

from __future__ import annotations

import unicodedata

from aichat_backend.chat.text import is_well_formed, repaired
from aichat_backend.errors import InvalidRequest

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def is_plain(text: str) -> bool:
    """Whether a text column of any database takes it."""
    return "\0" not in text and is_well_formed(text)


def require_well_formed(*texts: str) -> None:
    """Refuse what is not valid Unicode.

    Raises:
        InvalidRequest: when one of them cannot be written as UTF-8.
    """
    if not all(map(is_well_formed, texts)):
        raise InvalidRequest("The text contains characters that are not valid Unicode.")


def storable(text: str) -> str:
    """The text with visible marks in place of what some database refuses."""
    return repaired(text).replace("\0", _REPLACEMENT)


def folded(text: str) -> str:
    """The text as searches compare it: whatever its case, and however its characters are put together."""
    return storable(unicodedata.normalize("NFKC", text).casefold())


def storable_title(title: str) -> str:
    """The title with visible marks in place of NUL.

    Raises:
        InvalidRequest: when it is not valid Unicode.
    """
    require_well_formed(title)
    return title.replace("\0", _REPLACEMENT)
