# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replace files in one step: a reader, or a crash, sees the old file or the new one, never a half."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import grp
import os
import pwd
import stat
import tempfile
from dataclasses import dataclass


class FileProblem(Exception):
    """A path cannot be used as asked; the message names it and the remedy."""


@dataclass(frozen=True)
class Attributes:
    """Owner, group and mode that a file shall have; None leaves what is there."""

    uid: int | None = None
    gid: int | None = None
    mode: int | None = None


def attributes(owner: str | None, group: str | None, mode: str | None) -> Attributes:
    """Resolve names and an octal mode."""
    try:
        uid = None if owner is None else pwd.getpwnam(owner).pw_uid
    except KeyError:
        raise FileProblem(f"There is no user {owner!r} on this host.") from None
    try:
        gid = None if group is None else grp.getgrnam(group).gr_gid
    except KeyError:
        raise FileProblem(f"There is no group {group!r} on this host.") from None
    try:
        bits = None if mode is None else int(mode, 8)
    except ValueError:
        raise FileProblem(f"The mode {mode!r} is not octal, such as '0640'.") from None
    return Attributes(uid, gid, bits)


def read_regular(path: str) -> bytes | None:
    """The file's content, None when it does not exist; refuses links and anything that is no file."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(found.st_mode):
        raise FileProblem(f"{path} is a symbolic link; replace it by a regular file or remove it.")
    if not stat.S_ISREG(found.st_mode):
        raise FileProblem(f"{path} is not a regular file; remove it.")
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as stream:
        return stream.read()


def attributes_differ(path: str, wanted: Attributes) -> bool:
    """Whether an existing file has another owner, group or mode than asked for."""
    found = os.lstat(path)
    return any(
        want is not None and want != have
        for want, have in (
            (wanted.uid, found.st_uid),
            (wanted.gid, found.st_gid),
            (wanted.mode, stat.S_IMODE(found.st_mode)),
        )
    )


def attributes_difference(path: str, wanted: Attributes) -> dict[str, str]:
    """Owner, group and mode of an existing file, as they are and as asked for, as one entry of a diff."""
    before = _attributes_of(os.lstat(path))
    listed = [_listing(kept) for kept in (before, _filled(wanted, before))]
    return {"before_header": path, "after_header": path, "before": listed[0], "after": listed[1]}


def apply_attributes(path: str, wanted: Attributes) -> None:
    """Give an existing file the attributes asked for, never through a link."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        _apply(descriptor, wanted)
    finally:
        os.close(descriptor)


def write_atomically(path: str, content: bytes, wanted: Attributes) -> None:
    """Write a file under its final owner and mode, then rename it into place.

    What is not asked for is taken from the file that is replaced; a new file is 0600 by default.
    """
    try:
        before = os.lstat(path)
    except FileNotFoundError:
        final = wanted
    else:
        final = _filled(wanted, _attributes_of(before))
    folder, name = os.path.split(path)
    prefix = f".{name}.aichat-"
    _remove_abandoned(folder, prefix)
    descriptor, temporary = _locked(folder, prefix)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            _apply(stream.fileno(), final)
            os.fsync(stream.fileno())
            # Still under its lock: nobody takes it for abandoned.
            os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _locked(folder: str, prefix: str) -> tuple[int, str]:
    """Make a temporary file under a lock. Another writer may take it for abandoned before it has the lock."""
    while True:
        descriptor, temporary = tempfile.mkstemp(prefix=prefix, dir=folder)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor, temporary
        os.close(descriptor)


def _remove_abandoned(folder: str, prefix: str) -> None:
    """Remove what a writer that was killed left behind; who still writes holds a lock on it."""
    for temporary in glob.glob(glob.escape(os.path.join(folder, prefix)) + "????????"):
        with contextlib.suppress(OSError):
            descriptor = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(temporary)
            finally:
                os.close(descriptor)


def _attributes_of(found: os.stat_result) -> Attributes:
    return Attributes(found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))


def _filled(wanted: Attributes, found: Attributes) -> Attributes:
    """What is asked for, and what there is where nothing is."""
    return Attributes(
        found.uid if wanted.uid is None else wanted.uid,
        found.gid if wanted.gid is None else wanted.gid,
        found.mode if wanted.mode is None else wanted.mode,
    )


def _listing(shown: Attributes) -> str:
    return f"owner: {shown.uid}\ngroup: {shown.gid}\nmode: {shown.mode or 0:04o}\n"


def _apply(descriptor: int, wanted: Attributes) -> None:
    if wanted.uid is not None or wanted.gid is not None:
        os.fchown(descriptor, -1 if wanted.uid is None else wanted.uid, -1 if wanted.gid is None else wanted.gid)
    if wanted.mode is not None:
        os.fchmod(descriptor, wanted.mode)
