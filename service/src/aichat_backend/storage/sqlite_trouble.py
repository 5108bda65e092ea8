"""What SQLite's failures mean to an operator: the thing, and the remedy."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlalchemy import exc

from aichat_backend.storage.errors import DamagedDatabase, DatabaseUnavailable, InaccessibleDatabase, StorageError
from aichat_backend.storage.sqlite_file import is_full, what_is_closed, what_is_limited

_TO_REPLACE = "Move it away together with its -wal and -shm, and put a backup in its place."

_PRIMARY = 0xFF
"""The bits of a result code that tell the kind; the others tell where it happened."""


def trouble_of(error: sqlite3.Error, path: Path) -> StorageError:
    """What is wrong with the database at that path, judged by what SQLite says and by what can be seen of the file."""
    match getattr(error, "sqlite_errorcode", 0) & _PRIMARY:
        case sqlite3.SQLITE_CORRUPT:
            return damaged(path)
        case sqlite3.SQLITE_NOTADB:
            return DamagedDatabase(f"{path} is not a SQLite database. {_TO_REPLACE}")
        case sqlite3.SQLITE_FULL:
            return _full(path)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return InaccessibleDatabase(
                f"The database {path} is kept busy by another process. End the one that holds it: fuser {path}"
            )
        case _:
            return InaccessibleDatabase(_seen(path) or f"The database {path} fails: {error}. See to its disk.")


def damaged(path: Path) -> DamagedDatabase:
    """Something in the file cannot be read, or does not fit."""
    return DamagedDatabase(f"The database {path} is damaged. {_TO_REPLACE}")


def diagnosed(error: DatabaseUnavailable, path: Path) -> StorageError | None:
    """What an operator can do about a transaction that failed; None when there is nothing to do."""
    match error.__cause__:
        case StorageError() as trouble:
            return trouble
        case exc.DBAPIError(orig=sqlite3.Error() as original):
            return trouble_of(original, path)
        case exc.TimeoutError():
            return InaccessibleDatabase(f"The database {path} does not answer in time. See to its disk.")
        case _:
            return None


def _seen(path: Path) -> str | None:
    """What SQLite has no words for."""
    try:
        closed = what_is_closed(path)
        if closed is None and is_full(path.parent):
            return str(_full(path))
        return closed or what_is_limited(path)
    except OSError as error:
        return f"The database {path} cannot be reached: {error.strerror}. See to the folder {path.parent} and its disk."


def _full(path: Path) -> InaccessibleDatabase:
    return InaccessibleDatabase(f"The disk of the database {path} is full. Make room on it.")
