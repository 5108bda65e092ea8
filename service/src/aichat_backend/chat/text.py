"""Text that can be sent and stored: a Python string may hold lone surrogates, which no UTF-8 can express."""

from __future__ import annotations


def is_well_formed(text: str) -> bool:
    """Whether the text can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def repaired(text: str) -> str:
    """The text with surrogate pairs joined and lone surrogates replaced."""
    if is_well_formed(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
