"""Importing much without paying for it twice."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


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
