"""Whether anybody still waits for a transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock


class Unwanted:
    """Set, by another thread than the transaction's, when nobody waits for it any more."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._is_set = False
        self._listener: Callable[[], None] | None = None

    def is_set(self) -> bool:
        """Whether nobody does."""
        return self._is_set

    def set(self) -> None:
        """Let whoever listens know, the first time."""
        with self._lock:
            if not self._is_set and self._listener is not None:
                self._listener()
            self._is_set = True

    @contextmanager
    def heard_by(self, listener: Callable[[], None]) -> Iterator[None]:
        """Call it once when nobody waits any more, if that is before the end of this block. It must be quick."""
        with self._lock:
            self._listener = listener
            if self._is_set:
                listener()
        try:
            yield
        finally:
            with self._lock:
                self._listener = None
