# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The folder of releases: which are there, which is current, which are finished."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._lock import Busy, held

MARKER = "release.json"


class ReleaseProblem(Exception):
    """The release folder cannot be used; the message names the path and the remedy."""


@dataclass(frozen=True)
class Release:
    """A finished release, as its marker tells."""

    name: str
    version: str
    digest: str
    python: str
    python_version: str
    installer: str
    installed_ns: int


class ReleaseStore:
    """/opt/aichat-backend: releases/<name>, current → releases/<name>, the switches, a lock and a work folder."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.folder = os.path.join(root, "releases")
        self.current_link = os.path.join(root, "current")
        self.switches = os.path.join(root, "switches.json")
        self.work = os.path.join(root, ".work")
        self._lock = os.path.join(root, ".lock")

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def names(self) -> list[str]:
        try:
            return sorted(os.listdir(self.folder))
        except FileNotFoundError:
            return []

    def get(self, name: str) -> Release | None:
        """The release, or None when it is missing, was interrupted, or lost its interpreter."""
        try:
            with open(os.path.join(self.path(name), MARKER), encoding="utf-8") as stream:
                release = Release(**json.load(stream))
        except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
            return None
        works = os.access(os.path.join(self.path(name), "bin", "python"), os.X_OK)
        return release if works and release.name == name else None

    def finished(self) -> list[Release]:
        """Finished releases, newest first."""
        found = [release for release in map(self.get, self.names()) if release is not None]
        return sorted(found, key=lambda release: release.installed_ns, reverse=True)

    def unfinished(self) -> list[str]:
        """Leftovers of interrupted runs."""
        return [name for name in self.names() if self.get(name) is None]

    def current(self) -> str | None:
        """Name of the release that is switched on."""
        try:
            return os.path.basename(os.readlink(self.current_link))
        except FileNotFoundError:
            return None
        except OSError:
            raise ReleaseProblem(f"{self.current_link} is not a symbolic link: move it away.") from None

    def finish(self, release: Release) -> None:
        """Write the marker, after everything else has reached the disk."""
        os.sync()
        marker = os.path.join(self.path(release.name), MARKER)
        with open(marker + ".part", "w", encoding="utf-8") as stream:
            json.dump(asdict(release), stream, indent=2, sort_keys=True)
            stream.write("\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(marker + ".part", marker)

    def switch(self, name: str) -> None:
        """Make a release the current one in a single rename."""
        prepared = self.current_link + ".next"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(prepared)
        os.symlink(os.path.join("releases", name), prepared)
        os.replace(prepared, self.current_link)

    def switch_off(self) -> None:
        """Have no current release."""
        os.unlink(self.current_link)

    def remove(self, name: str) -> None:
        """Remove a release; without its marker first, so that a half-removed one is never taken for whole."""
        path = self.path(name)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(os.path.join(path, MARKER))
        remove_tree(path)

    @contextlib.contextmanager
    def locked(self, patience: float = 300.0) -> Iterator[None]:
        """Hold the one lock of this folder; waits for another run, but not for ever."""
        try:
            with held(self._lock, self.folder, patience):
                yield
        except Busy as problem:
            raise ReleaseProblem(str(problem)) from None

    def owned_paths(self) -> list[str]:
        """What of this folder exists and belongs to us."""
        ours = (self.current_link, self.folder, self.switches, self.work, self._lock)
        return [path for path in ours if os.path.lexists(path)]

    def clear(self) -> None:
        """Remove everything of ours, and the folder itself when nothing else lies in it."""
        for path in self.owned_paths():
            remove_tree(path)
        with contextlib.suppress(OSError):
            os.rmdir(self.root)


def remove_tree(path: str) -> None:
    """Remove a file, a link or a folder with all it holds; missing is fine."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
