# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decide what happens to a config file as rpm and dpkg do, and remember what was placed."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._atomic_file import (
    Attributes,
    FileProblem,
    read_regular,
    write_atomically,
)


class Decision(Enum):
    """What is to be done with the file itself."""

    CREATE = "created"
    UPDATE = "updated"
    OVERWRITE = "overwritten"
    KEEP = "kept"
    NOTHING = "unchanged"


class Removal(Enum):
    """What is to be done with a file that is no longer wanted."""

    REMOVE = "removed"
    SAVE = "saved"
    LEAVE = "foreign"
    NOTHING = "unchanged"


@dataclass(frozen=True)
class Record:
    """Digests of what was last placed, and of the default that was last placed or offered as .new."""

    placed: str | None = None
    offered: str | None = None


@dataclass(frozen=True)
class Plan:
    """The decision, whether the new default goes beside the file, and what to remember."""

    decision: Decision
    offer: bool
    record: Record


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def decide(
    current: bytes | None,
    shipped: bytes,
    baseline: bytes,
    record: Record,
    force: bool,
    pristine: tuple[bytes, ...] = (),
) -> Plan:
    """Compare the file, what is shipped now, what was placed last, and what counts as placed, whoever did it."""
    fresh = Record(digest(shipped), digest(baseline))
    if current is None:
        return Plan(Decision.CREATE, False, fresh)
    if current == shipped:
        return Plan(Decision.NOTHING, False, fresh)
    if current in pristine or (record.placed is not None and digest(current) == record.placed):
        return Plan(Decision.UPDATE, False, fresh)
    if force:
        return Plan(Decision.OVERWRITE, False, fresh)
    return Plan(Decision.KEEP, record.offered != fresh.offered, Record(record.placed, fresh.offered))


def decide_removal(current: bytes | None, record: Record | None, force: bool) -> Removal:
    """As rpm and dpkg would: what was edited is saved, unless even that is to go; what nobody placed is not touched."""
    if current is None:
        return Removal.NOTHING
    if record is None:
        return Removal.LEAVE
    return Removal.REMOVE if force or digest(current) == record.placed else Removal.SAVE


@contextlib.contextmanager
def _alone_in(folder: str) -> Iterator[None]:
    """Let no other play on this host write here meanwhile: what it remembers would be lost."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class PlacedFiles:
    """The small state file that remembers, for every path, what was last placed there."""

    def __init__(self, path: str) -> None:
        self._path = path

    def get(self, config: str) -> Record:
        known = self._load().get(config, {})
        return Record(known.get("placed"), known.get("offered"))

    def put(self, config: str, record: Record) -> None:
        entry = {"placed": record.placed, "offered": record.offered}
        if self._load().get(config) == entry:
            return
        folder = os.path.dirname(self._path)
        os.makedirs(folder, mode=0o755, exist_ok=True)
        with _alone_in(folder):
            self._store({**self._load(), config: entry})

    def find(self, config: str) -> Record | None:
        """What is remembered of a path, None when nothing was ever placed or kept there."""
        return self.get(config) if config in self._load() else None

    def forget(self, config: str) -> None:
        """Remember nothing of a path any longer."""
        if config not in self._load():
            return
        with _alone_in(os.path.dirname(self._path)):
            self._store({path: entry for path, entry in self._load().items() if path != config})

    def _load(self) -> dict[str, dict[str, str | None]]:
        content = read_regular(self._path)
        if content is None:
            return {}
        try:
            known = json.loads(content)
        except ValueError:
            known = None
        if not isinstance(known, dict) or not all(isinstance(entry, dict) for entry in known.values()):
            raise FileProblem(
                f"{self._path}, which remembers what was placed, is damaged: remove it. "
                "Files that differ from the shipped ones then count as edited."
            )
        return known

    def _store(self, known: dict[str, dict[str, str | None]]) -> None:
        content = json.dumps(known, indent=2, sort_keys=True) + "\n"
        write_atomically(self._path, content.encode(), Attributes(mode=0o644))
