"""Waiting for what happens by itself."""

import time
from collections.abc import Callable

PATIENCE = 180.0
"""Seconds after which something that should have happened did not."""


def until(what: str, holds: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Return as soon as it holds; fail when it does not in time."""
    end = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < end, f"after {patience:.0f} s still not true: {what}"
        time.sleep(0.2)
