"""Taking out of SQLite's index of words what was removed from it: by merging its segments, in steps.

A step keeps other writers waiting for some milliseconds, and all steps together write the index anew. PostgreSQL needs
none of this: its VACUUM does it.
"""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, text

_PAGES_A_STEP = 100

_REMOVALS = text("SELECT number FROM search_removals")
_FORGET_REMOVALS = text("UPDATE search_removals SET number = number - :number")
_MERGE = text("INSERT INTO search_index (search_index, rank) VALUES ('merge', :pages)").bindparams(bindparam("pages"))


def number_of_removals(connection: Connection) -> int:
    """How many documents were removed since the index was last merged."""
    if connection.dialect.name != "sqlite":
        return 0
    return int(connection.execute(_REMOVALS).scalar_one())


def begin_merge(connection: Connection) -> bool:
    """The first step, which says that all segments are to become one; whether there is more to do."""
    return _merge(connection, -_PAGES_A_STEP)


def go_on_merging(connection: Connection) -> bool:
    """Another step; whether there is more to do."""
    return _merge(connection, _PAGES_A_STEP)


def end_merge(connection: Connection, number: int) -> None:
    """Note that what had been removed at the begin is in the index no more."""
    connection.execute(_FORGET_REMOVALS, {"number": number})


def _merge(connection: Connection, pages: int) -> bool:
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101
    before: int = driver.total_changes
    connection.execute(_MERGE, {"pages": pages})
    # A step that had nothing to merge changes one row: that of the command itself.
    return bool(driver.total_changes - before > 1)
