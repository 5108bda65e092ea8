"""The name under which models know a tool: `<server>__<tool>`, made to fit every provider.

The name depends on nothing but the server's and the tool's names, so it is the same after every restart and whatever
other servers there are. No two tools share one: a plain name can be read back in one way only, and any other one ends
in a hash, which no plain name does.
"""

from __future__ import annotations

import hashlib
import re

LONGEST = 64
"""Characters that every provider takes."""

_SEPARATOR = "__"
_FITS = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_STRANGE = re.compile(r"[^A-Za-z0-9_-]+")
_HASH_DIGITS = 12
_LONGEST_STEM = LONGEST - _HASH_DIGITS - 1
_ENDS_IN_HASH = re.compile(rf"_[0-9a-f]{{{_HASH_DIGITS}}}")


def model_name(server: str, tool: str) -> str:
    """The tool's name for models: at most 64 of `[A-Za-z0-9_-]`, beginning with a letter or an underscore."""
    plain = f"{server}{_SEPARATOR}{tool}"
    if _is_plain(server, plain):
        return plain
    ending = "_" + hashlib.sha256(f"{server}\0{tool}".encode(errors="surrogatepass")).hexdigest()[:_HASH_DIGITS]
    return _stem(plain)[:_LONGEST_STEM] + ending


def may_be_of(name: str, server: str) -> bool:
    """Whether a tool of that name for models could be the server's: sure where not, and where its name is plain."""
    return name.startswith((f"{server}{_SEPARATOR}", _stem(f"{server}{_SEPARATOR}")[:_LONGEST_STEM]))


def _stem(plain: str) -> str:
    stem = _STRANGE.sub("_", plain)
    return stem if _FITS.match(stem) else f"_{stem}"


def _is_plain(server: str, plain: str) -> bool:
    return (
        len(plain) <= LONGEST
        and _FITS.fullmatch(plain) is not None
        # Else the first separator would not be the one between the server and the tool.
        and _SEPARATOR not in server
        and not server.endswith("_")
        and not _ENDS_IN_HASH.fullmatch(plain[-_HASH_DIGITS - 1 :])
    )
