# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The folder for what tool servers are started with, and the links by which it is found."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator

from ansible_collections.percona.pmm_ai_chat.plugins.module_utils import _mcp_archive
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._interpreters import TOOL_SERVERS_ONLY
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._lock import held
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._mcp_parts import PARTS, Part
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._releases import remove_tree
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._run_as import Identity, run_as


class RuntimeProblem(Exception):
    """It cannot be installed; the message names what is in the way and the remedy."""


class RuntimeFolder:
    """/opt/aichat-mcp-runtime: a folder for each archive, named by its digest, which is complete once it has that name.

    Outside of it there are only the links, in a folder on everybody's PATH.
    """

    def __init__(self, root: str, links: str) -> None:
        self.root = root
        self.links = links
        self.work = os.path.join(root, ".work")
        self._lock = os.path.join(root, ".lock")

    def home(self, part: Part, digest: str) -> str:
        """Where the content of an archive lies."""
        return os.path.join(self.root, f"{part.name}-{digest[:12]}")

    def homes(self, part: Part) -> list[str]:
        """What there is of a part."""
        with contextlib.suppress(FileNotFoundError):
            return [
                os.path.join(self.root, name)
                for name in sorted(os.listdir(self.root))
                if name.startswith(part.name + "-")
            ]
        return []

    def is_whole(self, part: Part, home: str) -> bool:
        """Whether it is there and nobody took anything important out of it."""
        programs = all(os.access(os.path.join(home, path), os.X_OK) for path in part.programs.values())
        return programs and all(os.path.exists(os.path.join(home, path)) for path in part.needed)

    def wanted_links(self, part: Part, home: str) -> dict[str, str]:
        """What is to be found on PATH, and where it leads."""
        return {os.path.join(self.links, name): os.path.join(home, path) for name, path in part.programs.items()}

    def our_links(self, part: Part) -> dict[str, str]:
        """The links that are there and lead here."""
        there = {}
        for name in part.programs:
            path = os.path.join(self.links, name)
            with contextlib.suppress(OSError):
                if os.readlink(path).startswith(self.root + "/"):
                    there[path] = os.readlink(path)
        return there

    def linked_home(self, part: Part) -> str | None:
        """Which one is in use."""
        leads = self.our_links(part).get(os.path.join(self.links, next(iter(part.programs))))
        return None if leads is None else os.path.join(self.root, os.path.relpath(leads, self.root).partition("/")[0])

    def refuse_foreign(self, part: Part) -> None:
        """A program that somebody else put where a link belongs is never written over."""
        ours = self.our_links(part)
        for path in self.wanted_links(part, self.root):
            if os.path.lexists(path) and path not in ours:
                raise RuntimeProblem(
                    f"{path} is there already and was not placed by this collection: move it away, "
                    f"or name no archive of {part.title}, and it is used as it is."
                )

    @contextlib.contextmanager
    def locked(self, patience: float = 300.0) -> Iterator[None]:
        """Hold the one lock of this folder, and begin without what an interrupted run has left."""
        with held(self._lock, self.root, patience):
            for path in self.leftovers():
                remove_tree(path)
            yield

    def leftovers(self) -> list[str]:
        """What an interrupted run has left."""
        names = [name for part in PARTS.values() for name in part.programs]
        return [path for path in (self.work, *map(self._prepared, names)) if os.path.lexists(path)]

    def _prepared(self, name: str) -> str:
        return os.path.join(self.links, f".{name}.aichat-mcp-runtime")

    def install(self, part: Part, archive: str, home: str, identity: Identity | None) -> str:
        """Unpack, let the user try it, and only then give it its name. Returns its version."""
        os.mkdir(self.work, 0o755)
        try:
            _mcp_archive.unpack(archive, self.work, part)
            version = version_of(part, self.work, identity)
            with open(os.path.join(self.work, TOOL_SERVERS_ONLY), "x", encoding="utf-8") as mark:
                mark.write(f"{part.title} {version}, from an archive with the digest in this folder's name.\n")
            os.sync()
            remove_tree(home)
            os.rename(self.work, home)
        finally:
            remove_tree(self.work)
        return version

    def link(self, links: dict[str, str]) -> None:
        """Lead those to their programs that lead elsewhere or are missing, in a single step each."""
        os.makedirs(self.links, mode=0o755, exist_ok=True)
        for path, target in links.items():
            if os.path.islink(path) and os.readlink(path) == target:
                continue
            beside = self._prepared(os.path.basename(path))
            os.symlink(target, beside)
            os.replace(beside, path)

    def remove(self, homes: list[str]) -> None:
        """Remove them; a half-removed one has no name that it could be taken by."""
        for home in homes:
            with contextlib.suppress(FileNotFoundError):
                os.rename(home, self.work)
            remove_tree(self.work)

    def leave(self) -> None:
        """Remove the folder itself when nothing of anybody lies in it any more."""
        with contextlib.suppress(OSError):
            if os.listdir(self.root) == [os.path.basename(self._lock)]:
                os.unlink(self._lock)
                os.rmdir(self.root)


def version_of(part: Part, home: str, identity: Identity | None) -> str:
    """What its main program says when the user starts it."""
    program = os.path.join(home, part.main)
    environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
    try:
        said = run_as(identity, [program, "--version"], timeout=60, environment=environment)
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise RuntimeProblem(f"{part.title} of the archive cannot be started on this host: {problem}.") from None
    found = part.version.search(said.stdout)
    if said.returncode != 0 or found is None:
        tail = "\n".join((said.stdout + said.stderr).strip().splitlines()[-5:])
        raise RuntimeProblem(
            f"{part.title} of the archive does not run on this host (exit status {said.returncode}), "
            f"so it is not used:\n{tail}"
        )
    version = found.group(1)
    if tuple(int(number) for number in version.split(".") if number) < part.oldest:
        oldest = ".".join(map(str, part.oldest))
        raise RuntimeProblem(
            f"{part.title} {version} is too old for tool servers: take {oldest} or newer, such as {part.archive}."
        )
    return version
