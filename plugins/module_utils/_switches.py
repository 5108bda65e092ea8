# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which releases were current one after the other, so that there is a way back, and which of them stay for it."""

from __future__ import annotations

import json

from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._atomic_file import Attributes, write_atomically
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._releases import Release, ReleaseStore

FORWARD = "present"
BACK = "rolled_back"
_REMEMBERED = 20

_GONE_BACK_FROM = 1
_IN_USE = 2
_NEVER_IN_USE = (0, 0)


class Switches:
    """The list of switches, oldest first, in a small file beside the releases.

    A switch is noted before it is made, so the last notes may tell of switches that never were, or that were undone:
    what comes after the release that is current does not count.
    """

    def __init__(self, store: ReleaseStore) -> None:
        self._store = store

    def note(self, release: str, way: str) -> None:
        """Note that this release is about to become the current one."""
        entries = self._made()
        current = self._store.current()
        if not entries and current is not None:
            entries = [(current, FORWARD)]
        entries = [*entries, (release, way)][-_REMEMBERED:]
        content = json.dumps([{"release": name, "way": way} for name, way in entries], indent=2) + "\n"
        write_atomically(self._store.switches, content.encode(), Attributes(mode=0o644))

    def went_back(self) -> bool:
        """Whether the current release is one that was gone back to."""
        made = self._made()
        return bool(made) and made[-1][1] == BACK

    def previous(self) -> Release | None:
        """The release that was current before the current one, and is still there."""
        current = self._store.current()
        made = self._made()
        for name, _way in reversed(made):
            release = self._store.get(name)
            if name != current and release is not None:
                return release
        # What the notes do not name was never in use: a release that failed, say.
        return None if made or current is None else self._installed_before(current)

    def surplus(self, keep: int, pinned: set[str]) -> list[str]:
        """Names beyond the ones to keep; pinned ones count and stay.

        What was never in use goes first: it failed, or was refused. Then what was gone back from,
        then what was in use the longest ago.
        """
        worth = self._worth()
        ordered = sorted(
            (release.name for release in self._store.finished()),
            key=lambda name: (name in pinned, worth.get(name, _NEVER_IN_USE)),
            reverse=True,
        )
        return sorted(name for name in ordered[keep:] if name not in pinned)

    def _worth(self) -> dict[str, tuple[int, int]]:
        """Of each release that was in use: whether it was gone back from, and when it was so last."""
        worth: dict[str, tuple[int, int]] = {}
        before = ""
        for moment, (name, way) in enumerate(self._made()):
            if way == BACK and before:
                worth[before] = (_GONE_BACK_FROM, moment)
            worth[name] = (_IN_USE, moment)
            before = name
        return worth

    def _installed_before(self, current: str) -> Release | None:
        """Without any notes, the order of installation tells."""
        now = self._store.get(current)
        older = [
            release
            for release in self._store.finished()
            if release.name != current and (now is None or release.installed_ns < now.installed_ns)
        ]
        return older[0] if older else None

    def _made(self) -> list[tuple[str, str]]:
        entries = self._noted()
        current = self._store.current()
        while entries and entries[-1][0] != current:
            entries.pop()
        return entries

    def _noted(self) -> list[tuple[str, str]]:
        try:
            with open(self._store.switches, encoding="utf-8") as stream:
                return [(str(entry["release"]), str(entry["way"])) for entry in json.load(stream)]
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return []
