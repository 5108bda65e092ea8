"""Control messages: decisions about tools that the user interface sends as chat messages."""

from __future__ import annotations

import re

_CONTROL = re.compile(r"\s*\[(?:APPROVE|DENY)_TOOLS:[^\]]*\]\s*")


def is_control_message(text: str) -> bool:
    """Whether the whole text is a decision about tools, `[APPROVE_TOOLS:<id>]` or `[DENY_TOOLS:<id>]`."""
    return _CONTROL.fullmatch(text) is not None
