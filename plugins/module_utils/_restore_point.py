# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files as they were before a run, kept until the run has ended well."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._atomic_file import (
    Attributes,
    FileProblem,
    attributes_differ,
    read_regular,
    write_atomically,
)
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._conffile import PlacedFiles, digest
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._releases import remove_tree

_CONTENTS = "contents.json"


@dataclass(frozen=True)
class Kept:
    """One path as it was: a file with a copy, a link with a target, or nothing.

    `generated`: nobody edits it, so nothing is lost with what takes its place meanwhile.
    """

    path: str
    copy: str | None = None
    target: str | None = None
    uid: int = 0
    gid: int = 0
    mode: int = 0
    mtime_ns: int = 0
    generated: bool = False

    @property
    def attributes(self) -> Attributes:
        return Attributes(self.uid, self.gid, self.mode)

    @property
    def was_there(self) -> bool:
        return self.copy is not None or self.target is not None


@dataclass(frozen=True)
class Contents:
    """What a restore point holds. `adopted`: a run found it, left by one that did not end.

    `folders` were not there when it was taken, the innermost first; `owner` is the run that changes things now.
    """

    note: Mapping[str, object]
    files: tuple[Kept, ...]
    folders: tuple[str, ...] = ()
    owner: Mapping[str, object] | None = None
    adopted: bool = False


class RestorePoint:
    """A folder that is there as a whole or not at all, and that only its owner can read."""

    def __init__(self, folder: str, placed: PlacedFiles) -> None:
        self.folder = folder
        self._placed = placed

    def read(self) -> Contents | None:
        """What it holds, None when there is none."""
        try:
            with open(os.path.join(self.folder, _CONTENTS), encoding="utf-8") as stream:
                found = json.load(stream)
            files = tuple(Kept(**kept) for kept in found["files"])
            return Contents(found["note"], files, tuple(found["folders"]), found["owner"], found["adopted"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            raise FileProblem(f"The restore point {self.folder} is damaged: remove it.") from None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Be alone for a moment: of two runs that begin together, only one finds no restore point."""
        # A folder that is not removed with the restore point, so that nothing has to be made for the lock.
        above = os.path.dirname(os.path.dirname(self.folder))
        while not os.path.isdir(above):
            above = os.path.dirname(above)
        descriptor = os.open(above, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def last_step(self) -> float:
        """When its owner took it, or went on with it."""
        return os.stat(os.path.join(self.folder, _CONTENTS)).st_mtime

    def take(
        self,
        paths: Sequence[str],
        generated: Container[str],
        note: Mapping[str, object],
        owner: Mapping[str, object] | None,
    ) -> None:
        """Copy these files, in place of what was kept before."""
        prepared = self.folder + ".part"
        remove_tree(prepared)
        os.makedirs(os.path.dirname(self.folder), mode=0o755, exist_ok=True)
        os.mkdir(prepared, mode=0o700)
        try:
            files = _keep_all(paths, generated, prepared, 0)
            _write(prepared, Contents(note, files, _missing_folders(paths), owner))
        except BaseException:
            remove_tree(prepared)
            self._leave()
            raise
        self.drop()
        os.replace(prepared, self.folder)

    def adopt(
        self, contents: Contents, paths: Iterable[str], generated: Container[str], owner: Mapping[str, object] | None
    ) -> None:
        """Note that another run goes on with it: its files may have been edited since.

        What that run may change besides is kept as it is now.
        """
        known = {kept.path for kept in contents.files}
        further = [path for path in paths if path not in known]
        files = contents.files + _keep_all(further, generated, self.folder, len(contents.files))
        folders = {*contents.folders, *_missing_folders(further)}
        _write(
            self.folder,
            replace(contents, files=files, folders=_innermost_first(folders), owner=owner, adopted=True),
        )

    def changed(self, contents: Contents) -> list[Kept]:
        """What is no longer as it was."""
        return [kept for kept in contents.files if self._differs(kept)]

    def changed_after(self, contents: Contents, moment: float) -> bool:
        """Whether anything that is no longer as it was became so after this moment."""
        return any(_last_change(kept.path) > moment for kept in self.changed(contents))

    def surplus_folders(self, contents: Contents, changed: Iterable[Kept]) -> list[str]:
        """Folders that were not there, and are empty when these paths are as they were; the innermost first."""
        gone = {kept.path for kept in changed if not kept.was_there and not self.may_be_edited(contents, kept)}
        for folder in contents.folders:
            if os.path.isdir(folder) and all(os.path.join(folder, name) in gone for name in os.listdir(folder)):
                gone.add(folder)
        return [folder for folder in contents.folders if folder in gone]

    def may_be_edited(self, contents: Contents, kept: Kept) -> bool:
        """Whether somebody may have edited what is there now, so that it must not be lost."""
        if not contents.adopted or kept.generated or os.path.islink(kept.path):
            return False
        content = read_regular(kept.path)
        if content is None:
            return False
        try:
            return digest(content) != self._placed.get(kept.path).placed
        except FileProblem:
            # A damaged list of what was placed is no reason to put nothing back.
            return True

    def restore(self, kept: Kept) -> None:
        """Put one path back as it was, to the byte and to the second."""
        if kept.copy is not None:
            # The folder may have gone with its last file.
            os.makedirs(os.path.dirname(kept.path), mode=0o755, exist_ok=True)
            write_atomically(kept.path, self._content(kept), kept.attributes)
            os.utime(kept.path, ns=(kept.mtime_ns, kept.mtime_ns))
        elif kept.target is not None:
            prepared = kept.path + ".next"
            remove_tree(prepared)
            os.symlink(kept.target, prepared)
            os.replace(prepared, kept.path)
        else:
            os.unlink(kept.path)

    def remove_folder(self, path: str) -> None:
        """Remove a folder that was not there, unless a service that still runs has just put something into it."""
        try:
            os.rmdir(path)
        except OSError as problem:
            if problem.errno not in (errno.ENOENT, errno.ENOTEMPTY):
                raise

    def drop(self) -> None:
        """Forget it; a half-forgotten one is never taken for whole."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.folder, _CONTENTS))
        remove_tree(self.folder)
        self._leave()

    def _leave(self) -> None:
        """Remove the folder around it as well, unless other things lie there."""
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(self.folder))

    def _differs(self, kept: Kept) -> bool:
        if os.path.islink(kept.path):
            return os.readlink(kept.path) != kept.target
        if kept.target is not None:
            return True
        content = read_regular(kept.path)
        if content is None or kept.copy is None:
            return (content is None) != (kept.copy is None)
        return content != self._content(kept) or attributes_differ(kept.path, kept.attributes)

    def _content(self, kept: Kept) -> bytes:
        content = read_regular(os.path.join(self.folder, str(kept.copy)))
        if content is None:
            raise FileProblem(f"The restore point {self.folder} lacks its copy of {kept.path}: remove it.")
        return content


def _last_change(path: str) -> float:
    """When it last got another content, name or owner. What is not there went with a change of the folder around it."""
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return os.lstat(path).st_ctime


def _missing_folders(paths: Iterable[str]) -> tuple[str, ...]:
    missing: set[str] = set()
    for path in paths:
        folder = os.path.dirname(path)
        while not os.path.lexists(folder):
            missing.add(folder)
            folder = os.path.dirname(folder)
    return _innermost_first(missing)


def _innermost_first(folders: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(folders, key=lambda folder: (-len(folder), folder)))


def _keep_all(paths: Iterable[str], generated: Container[str], folder: str, first: int) -> tuple[Kept, ...]:
    """Copy these files, under numbers from the first one on."""
    return tuple(
        replace(_keep(path, folder, f"{number}"), generated=path in generated)
        for number, path in enumerate(paths, first)
    )


def _keep(path: str, folder: str, name: str) -> Kept:
    if os.path.islink(path):
        return Kept(path, target=os.readlink(path))
    content = read_regular(path)
    if content is None:
        return Kept(path)
    found = os.lstat(path)
    write_atomically(os.path.join(folder, name), content, Attributes(mode=0o600))
    return Kept(path, name, None, found.st_uid, found.st_gid, found.st_mode & 0o7777, found.st_mtime_ns)


def _write(folder: str, contents: Contents) -> None:
    text = json.dumps(asdict(contents), indent=2, sort_keys=True) + "\n"
    write_atomically(os.path.join(folder, _CONTENTS), text.encode(), Attributes(mode=0o600))
