"""What a caller proves to be somebody with, and how to remember it without keeping it."""

from __future__ import annotations

import secrets
from hashlib import blake2b
from typing import NamedTuple


class Credentials(NamedTuple):
    """The headers with which people and programs log in; an empty one was not sent."""

    cookie: str = ""
    authorization: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """As they are sent on."""
        return {
            name: value for name, value in (("Cookie", self.cookie), ("Authorization", self.authorization)) if value
        }


class Fingerprints:
    """Makes of credentials what tells them apart and gives nothing of them away: a hash whose key nobody else has."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def of(self, credentials: Credentials) -> bytes:
        """The same for the same credentials, as long as this process lives."""
        digest = blake2b(key=self._key, digest_size=32)
        for value in credentials:
            written = value.encode()
            # With its length, so that nothing can move from one header to the other.
            digest.update(len(written).to_bytes(8, "big") + written)
        return digest.digest()
