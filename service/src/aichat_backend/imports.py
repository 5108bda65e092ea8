"""Importing much without paying for it twice, or for more than is used."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Where OpenSSL looks for them, if not at the system's places."""


@contextmanager
def uncollected() -> Iterator[None]:
    """Leave the garbage collector out of the imports in this block, and what they made out of its later rounds.

    Imports make some hundred thousand objects that stay. To look for garbage among them, again and again while they
    grow, takes a fifth of the time of a start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def without_certificates() -> Iterator[None]:
    """Let nothing that is imported in this block read the certificates of all the authorities that this machine trusts.

    aiohttp does, for a default of its own: a tenth of a start. That default then trusts nobody. Our connections bring
    theirs, which are read by a thread when the first is made.
    """
    given = {name: os.environ.pop(name) for name in _CERTIFICATES if name in os.environ}
    os.environ.update(dict.fromkeys(_CERTIFICATES, os.devnull))
    try:
        yield
    finally:
        for name in _CERTIFICATES:
            del os.environ[name]
        os.environ.update(given)
