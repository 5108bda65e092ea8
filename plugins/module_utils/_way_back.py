# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Choose the release to go back to."""

from __future__ import annotations

from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._releases import Release, ReleaseProblem, ReleaseStore
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._switches import Switches


def way_back(store: ReleaseStore, wanted: str | None) -> Release:
    """The release that was asked for, else the one before; having gone back already, the current one."""
    if wanted is not None:
        return named(store, wanted)
    current = store.current()
    switches = Switches(store)
    if current is not None and switches.went_back():
        return named(store, current)
    previous = switches.previous()
    if previous is None:
        raise ReleaseProblem(f"There is no release to go back to in {store.folder}: {_what_is_there(store, current)}.")
    return previous


def _what_is_there(store: ReleaseStore, current: str | None) -> str:
    others = sorted(release.name for release in store.finished() if release.name != current)
    if others:
        return f"none was in use before. To go to one all the same, name it; there is {', '.join(others)}"
    return f"{current} is the only one there" if current is not None else "there is none"


def named(store: ReleaseStore, wanted: str) -> Release:
    """By the name of its folder, or by a version that only one release has."""
    finished = store.finished()
    found = [release for release in finished if release.name == wanted]
    found = found or [release for release in finished if release.version == wanted]
    if len(found) == 1:
        return found[0]
    there = ", ".join(sorted(release.name for release in finished)) or "nothing"
    if found:
        raise ReleaseProblem(
            f"More than one release in {store.folder} has the version {wanted}: "
            f"name the folder of one; there is {there}."
        )
    raise ReleaseProblem(f"There is no finished release {wanted} in {store.folder}: there is {there}.")
