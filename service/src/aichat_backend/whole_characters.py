"""JSON of programs that cut text by UTF-16, and so between the two halves of what is one character."""

from __future__ import annotations

import re

_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<half>u[dD][89a-fA-F]..)|.)", re.DOTALL)
"""One escape, or two that are one character together."""
_REPLACEMENT = rb"\ufffd"


def with_whole_characters(json: bytes) -> bytes:
    """The same with escapes of lone surrogates replaced: most decoders refuse all of the JSON for one of them."""
    return _ESCAPE.sub(lambda escape: _REPLACEMENT if escape["half"] else escape[0], json)
