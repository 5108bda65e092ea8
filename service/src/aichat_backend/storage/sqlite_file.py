"""The file of a SQLite database: that it is there, private and ours to write, and whether it still is the same one."""

from __future__ import annotations

import errno
import os
import pwd
import resource
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from aichat_backend.storage.errors import DatabaseUnavailable, InaccessibleDatabase, ReplacedDatabase

COMPANIONS = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a file, each under the file's name with one of these behind it."""

_PRIVATE = 0o600
_HARDLY_ANY = 64 * 1024
"""Bytes: with less free, a disk is full for SQLite, which allots its shared memory by half of that."""


@dataclass(frozen=True, slots=True)
class DatabaseFile:
    """The file as it was when it was opened."""

    path: Path
    device: int
    inode: int

    @classmethod
    def prepare(cls, path: Path) -> Self:
        """Make sure that the file exists, is private and can be written; SQLite gives its companions the same mode.

        Raises:
            InaccessibleDatabase: when it cannot be used; the message says what to do.
        """
        path = path.absolute()
        _require_folder(path)
        try:
            _create(path)
        except FileExistsError:
            _require_file(path)
        except OSError as error:
            raise InaccessibleDatabase(
                f"The database {path} cannot be created: {error.strerror}. {_remedy(path.parent, error.errno)}"
            ) from error
        # SQLite writes beside the file as well, so the folder counts too.
        if (problem := what_is_closed(path)) is not None:
            raise InaccessibleDatabase(problem)
        status = path.stat()
        return cls(path, status.st_dev, status.st_ino)

    def require_same(self) -> None:
        """Refuse to go on when another file, or none, is in its place: nobody would find there what is written here.

        Raises:
            DatabaseUnavailable: because of a `ReplacedDatabase`.
        """
        try:
            status = self.path.stat()
        except FileNotFoundError:
            problem = ReplacedDatabase(
                f"The database {self.path} was deleted while it was in use. A new one is put in its place;"
                " to have another one there, stop the service first."
            )
        else:
            if (status.st_dev, status.st_ino) == (self.device, self.inode):
                return
            problem = ReplacedDatabase(
                f"The database {self.path} was replaced while it was in use. It is opened anew;"
                " stop the service before you replace it."
            )
        raise DatabaseUnavailable(str(problem)) from problem


def what_is_closed(path: Path) -> str | None:
    """What of the database this process may not write, with the remedy; None when that is not the trouble."""
    if not _may(path.parent, os.W_OK | os.X_OK):
        return f"The database {path} cannot be written. {_remedy(path.parent, errno.EACCES)}"
    for file in (path, *companions_of(path)):
        if file.exists() and not _may(file, os.R_OK | os.W_OK):
            return f"The database {path} cannot be written. {_remedy(file, errno.EACCES)}"
    return None


def is_full(folder: Path) -> bool:
    """Whether there is hardly any room on the folder's disk."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize < _HARDLY_ANY


def what_is_limited(path: Path) -> str | None:
    """Why a file of the database may not grow although its disk has room; None when that is not the trouble."""
    limit, _highest = resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit == resource.RLIM_INFINITY:
        return None
    largest = max(file.stat().st_size for file in (path, *companions_of(path)) if file.exists())
    if largest + _HARDLY_ANY <= limit:
        return None
    return (
        f"The database {path} cannot grow: this process may write files of {limit:,} bytes at most (RLIMIT_FSIZE)."
        " Raise that limit where the service is started: ulimit -f unlimited"
    )


def companions_of(path: Path) -> tuple[Path, ...]:
    """Where SQLite keeps what belongs to the file."""
    return tuple(path.with_name(path.name + suffix) for suffix in COMPANIONS)


def _require_folder(path: Path) -> None:
    folder = path.parent
    try:
        is_folder = stat.S_ISDIR(folder.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InaccessibleDatabase(
            f"The folder {folder} of the database does not exist. Create it for the service's user:"
            f" install -d -o {_me()} -m 0750 {folder}"
        ) from error
    except OSError as error:
        raise InaccessibleDatabase(
            f"The folder {folder} of the database cannot be reached: {error.strerror}."
            f" {_remedy(_first_closed(folder), error.errno)}"
        ) from error
    if not is_folder:
        raise InaccessibleDatabase(f"The database cannot lie in {folder}, which is not a folder. Name another one.")


def _first_closed(folder: Path) -> Path:
    """The outermost of the folders on the way that does not let us in."""
    ways = [*reversed(folder.parents), folder]
    return next((way for way in ways if not _may(way, os.X_OK)), folder)


def _create(path: Path) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, _PRIVATE)
    try:
        # A umask may have taken away what its owner needs.
        os.fchmod(descriptor, _PRIVATE)
        if os.geteuid() == 0:
            # Root looking after a service must not leave behind a file that the service cannot open.
            owner = path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
    finally:
        os.close(descriptor)


def _require_file(path: Path) -> None:
    """Take away from others what an earlier owner's umask gave them.

    By name, never through a descriptor: closing one would drop the locks this process holds on the file.
    """
    if path.is_dir():
        raise InaccessibleDatabase(f"The database {path} is a folder. Name a file, or move the folder away.")
    for file in (path, *companions_of(path)):
        try:
            status = file.stat()
            if status.st_uid == os.geteuid() and status.st_mode & 0o077:
                file.chmod(_PRIVATE)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise InaccessibleDatabase(
                f"The database {file} cannot be made private: {error.strerror}. {_remedy(file, error.errno)}"
            ) from error


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=True)


def _remedy(path: Path, number: int | None) -> str:
    """What an operator can do about a file or folder that the system does not let us use."""
    if number in (errno.ENOSPC, errno.EDQUOT):
        return f"Make room on the disk of {path}."
    if number == errno.EROFS or _is_read_only(path):
        return f"{path} is on a file system that is mounted read-only: mount it writable."
    try:
        status = path.stat()
    except OSError:
        return f"Let user {_me()} into the folders that lead to {path}."
    kept = f"{path} belongs to {_name(status.st_uid)} with mode {stat.S_IMODE(status.st_mode):04o}"
    if status.st_uid == os.geteuid():
        needed = "u+rwx" if path.is_dir() else "u+rw"
        return f"{kept}: chmod {needed} {path}, and see with lsattr that it is not immutable."
    return f"{kept}, and this is user {_me()}: chown {_me()} {path}"


def _is_read_only(path: Path) -> bool:
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _me() -> str:
    return _name(os.geteuid())


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
