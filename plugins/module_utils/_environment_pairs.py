# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pairs of supervisord's environment= value: reading them with their places, and rendering them."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass

from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._ini_text import COMMENT_MARKS, IniError

# What supervisord's tokenizer takes as part of a bare word.
_WORD = frozenset(string.ascii_letters + string.digits + "_" + "/.+-():")
_QUOTES = "'\""
_BLANKS = " \t\r\n"
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
# supervisord replaces this before it looks at "%%", so it cannot be escaped.
_HERE = "%(here)s"


@dataclass(frozen=True)
class Token:
    """A token and its place in the value."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Pair:
    """KEY=value with the places of the key, the value and the comma after it."""

    key: Token
    value: Token
    comma: Token | None

    @property
    def bare(self) -> str:
        """The value without its quotes, percent signs still doubled."""
        return self.value.text.strip(_QUOTES)

    @property
    def plain(self) -> str:
        """The value as the program would get it, save for supervisord's own %(…)s expansions."""
        return self.bare.replace("%%", "%")


def check_key(key: str) -> None:
    """Refuse a name that supervisord or the shell would not take."""
    if not _KEY.match(key):
        raise IniError(
            f"{key!r} is not a name for an environment variable: "
            "use letters, digits and underscores, and do not start with a digit."
        )


def escape(value: str) -> str:
    """The value as it stands between the quotes."""
    return value.replace("%", "%%")


def render(key: str, value: str) -> str:
    """KEY="value", or a clear refusal where supervisord has no way to write the value.

    The message names the key and never shows the value.
    """
    check_key(key)
    problem = _inexpressible(value)
    if problem:
        raise IniError(f"supervisord cannot express the value of {key} in environment=: {problem}.")
    quote = "'" if '"' in value else '"'
    return f"{key}={quote}{escape(value)}{quote}"


def _inexpressible(value: str) -> str | None:
    if any(ord(character) < 32 or character in "\x7f\x85\u2028\u2029" for character in value):
        return "it contains a line break or another control character"
    if value[:1] in tuple(_QUOTES) or value[-1:] in tuple(_QUOTES):
        return "it begins or ends with a quote"
    if '"' in value and "'" in value:
        return "it contains both kinds of quotes"
    for mark in COMMENT_MARKS:
        if any(before.isspace() and here == mark for before, here in zip(value, value[1:])):
            return f"a blank followed by {mark} would start a comment"
    if _HERE in value:
        return f"it contains {_HERE}, which supervisord always replaces"
    return None


def tokens_of(value: str) -> list[Token]:
    """Split a value as supervisord does: quotes only count at the start of a word, # starts a comment."""
    tokens = []
    position = 0
    while position < len(value):
        character = value[position]
        if character in _BLANKS:
            position += 1
        elif character == "#":
            newline = value.find("\n", position)
            position = len(value) if newline < 0 else newline + 1
        else:
            end = _token_end(value, position)
            tokens.append(Token(value[position:end], position, end))
            position = end
    return tokens


def _token_end(value: str, start: int) -> int:
    first = value[start]
    if first in _QUOTES:
        closing = value.find(first, start + 1)
        if closing < 0:
            raise IniError("environment= has a quote that is never closed.")
        return closing + 1
    if first not in _WORD:
        return start + 1
    end = start + 1
    while end < len(value) and (value[end] in _WORD or value[end] in _QUOTES):
        end += 1
    return end


def pairs_of(value: str) -> list[Pair]:
    """Read all pairs; refuses what supervisord would refuse or silently misread."""
    tokens = tokens_of(value)
    pairs: list[Pair] = []
    position = 0
    while position < len(tokens):
        taken = tokens[position : position + 4]
        if len(taken) < 3 or taken[1].text != "=":
            raise IniError('environment= is malformed after its pair number %d: expected KEY="value".' % len(pairs))
        comma = taken[3] if len(taken) == 4 else None
        if comma is not None and comma.text != ",":
            raise IniError(
                f"environment= needs a comma after the value of {taken[0].text}; put values in double quotes."
            )
        pairs.append(Pair(taken[0], taken[2], comma))
        position += 4
    return pairs
