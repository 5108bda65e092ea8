"""How much each user may upload: in an hour, and at once."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from msgspec import Struct

from aichat_backend.errors import TooManyRequests

_HOUR = 3600.0


class UploadAllowance(Struct, frozen=True, kw_only=True):
    """What one user may upload."""

    files_an_hour: int
    bytes_an_hour: int
    at_once: int
    """Uploads that arrive at the same time, each of which is in memory."""


class _Charge(Struct, frozen=True):
    at: float
    files: int
    size: int


class UploadQuota:
    """Counts what each user sent in the last hour, accepted or not, and what is arriving now."""

    def __init__(self, allowance: UploadAllowance, *, clock: Callable[[], float] = monotonic) -> None:
        self._allowance = allowance
        self._clock = clock
        self._charges: dict[str, deque[_Charge]] = {}
        self._arriving: Counter[str] = Counter()

    @contextmanager
    def receiving(self, user_id: str) -> Iterator[None]:
        """While an upload arrives and is looked at: it is in memory.

        Raises:
            TooManyRequests: the user's hour is used up, or as many uploads as allowed are arriving already.
        """
        self._require_room(user_id)
        at_once = self._allowance.at_once
        if self._arriving[user_id] >= at_once:
            raise TooManyRequests(
                f"{at_once} of your uploads are arriving already; wait for one to end.", retry_after=5
            )
        self._arriving[user_id] += 1
        try:
            yield
        finally:
            self._arriving[user_id] -= 1
            if not self._arriving[user_id]:
                del self._arriving[user_id]

    def charge(self, user_id: str, *, files: int, size: int) -> None:
        """Count what was received, if there was room for it.

        Raises:
            TooManyRequests: the user's hour is used up.
        """
        self._require_room(user_id)
        self._charges.setdefault(user_id, deque()).append(_Charge(self._clock(), files, size))

    def _require_room(self, user_id: str) -> None:
        files, size = self._allowance.files_an_hour, self._allowance.bytes_an_hour
        charges = self._recent(user_id)
        if sum(charge.files for charge in charges) >= files or sum(charge.size for charge in charges) >= size:
            wait = charges[0].at + _HOUR - self._clock()
            raise TooManyRequests(
                f"You have uploaded as much as is allowed in an hour ({files} files or {size} bytes).",
                code="upload_quota",
                retry_after=max(int(wait) + 1, 1),
            )

    def _recent(self, user_id: str) -> deque[_Charge]:
        charges = self._charges.get(user_id, deque())
        while charges and charges[0].at <= self._clock() - _HOUR:
            charges.popleft()
        if not charges:
            self._charges.pop(user_id, None)
        return charges
