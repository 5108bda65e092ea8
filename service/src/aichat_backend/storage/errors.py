"""What can go wrong with the database: at start, for the operator to mend; later, for the caller to try again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from aichat_backend.errors import Unavailable

RETRY_AFTER_SECONDS = 5


class StorageError(Exception):
    """The database cannot be used as it is. The message is one line for the operator: the thing and its remedy."""


class UnsupportedDatabase(StorageError):
    """The URL names no database that this version can use."""


class InaccessibleDatabase(StorageError):
    """The database's file or folder is missing, or may not be written."""


class UnreachableDatabase(InaccessibleDatabase):
    """The database's server does not answer, or does not let us in."""


class DamagedDatabase(StorageError):
    """The file is there, and is no database that can be read."""


class ReplacedDatabase(StorageError):
    """Another file, or none, is where the one lay that is in use."""


class NewerDatabase(StorageError):
    """A newer version of the program has changed the schema, such that this one cannot use it."""


class UpgradeNeeded(StorageError):
    """The schema is of an older version, and whoever asks does not change it."""


class UpgradeFailed(StorageError):
    """The schema could not be brought to this version's state; it is as it was."""


class DatabaseInUse(StorageError):
    """Somebody else has the database open."""


class CopyRefused(StorageError):
    """One database cannot be copied to the other as they are; nothing was changed."""


class CopyFailed(StorageError):
    """What was copied is not what was to be copied."""


class DatabaseUnavailable(Unavailable):
    """The database did not do what it was asked. The cause is chained."""

    code = "database_unavailable"

    def __init__(self, detail: str) -> None:
        super().__init__(
            "The chat history cannot be reached right now. Try again in a little while.",
            retry_after=RETRY_AFTER_SECONDS,
            detail=detail,
        )

    def __str__(self) -> str:
        return f"{self.message} ({self.detail})" if self.detail else self.message


class OutOfTime(DatabaseUnavailable):
    """A statement took longer, or waited longer for others, than it may. The database is well."""


class OutcomeUnknown(DatabaseUnavailable):
    """The connection was lost in a commit: what was to be stored may be stored, or not. Look before doing it again."""


_OUR_MISTAKES = (exc.IntegrityError, exc.DataError, exc.ProgrammingError, exc.NotSupportedError)
"""Errors that say that a statement is wrong, not that the database is unwell: they stay as they are."""


_OUT_OF_TIME = {"57014", "55P03", "SQLITE_INTERRUPT"}
"""What the databases call it: a statement that was cancelled, a lock that did not become free."""


def is_failure(error: exc.SQLAlchemyError | None) -> bool:
    """Whether the database itself has failed (locked, full, damaged, unreachable)."""
    return isinstance(error, exc.DBAPIError) and not isinstance(error, _OUR_MISTAKES)


@contextmanager
def unavailable_when_failing() -> Iterator[None]:
    """Turn the database's own failures (locked, full, damaged, unreachable) into `DatabaseUnavailable`."""
    try:
        yield
    except _OUR_MISTAKES:
        raise
    except exc.DBAPIError as error:
        kind = OutOfTime if _ran_out_of_time(error) else DatabaseUnavailable
        raise kind(str(error.orig)) from error
    except exc.TimeoutError as error:
        raise DatabaseUnavailable("no connection became free in time") from error


def _ran_out_of_time(error: exc.DBAPIError) -> bool:
    names = {getattr(error.orig, name, None) for name in ("sqlstate", "sqlite_errorname")}
    return not names.isdisjoint(_OUT_OF_TIME)
