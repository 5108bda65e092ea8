"""Which state the schema is in, and how it gets to this version's.

Alembic is imported only when there is something to do: on most starts there is not.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, select, update

from aichat_backend.storage.errors import NewerDatabase

if TYPE_CHECKING:
    from alembic.config import Config

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")
"""Every state the schema has had, oldest first. A test compares this with the migrations."""

HEAD = REVISIONS[-1]

_version = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))
_TOUCH = update(_version).values(version_num=_version.c.version_num)


def read_revision(connection: Connection) -> str | None:
    """The state the schema is in; None for an empty database."""
    if not inspect(connection).has_table(_version.name):
        return None
    return connection.scalar(select(_version.c.version_num))


def touch(connection: Connection) -> None:
    """Write what is there already, to see whether anything can be written."""
    connection.execute(_TOUCH)


def is_current(connection: Connection) -> bool:
    """Whether there is nothing to upgrade.

    Raises:
        NewerDatabase: when the schema is in a state this version does not know.
    """
    revision = read_revision(connection)
    if revision is not None and revision not in REVISIONS:
        raise NewerDatabase(
            f"The database was changed by a newer version of aichat-backend: its schema is at {revision!r}, and this"
            f" version knows no later one than {HEAD!r}. Install the newer version, or restore a backup from before it."
        )
    return revision == HEAD


def upgrade_schema(connection: Connection) -> None:
    """Bring the schema to `HEAD` in this transaction, unless another process just did."""
    if is_current(connection):
        return
    from alembic import command

    settings = migration_settings()
    settings.attributes["connection"] = connection
    command.upgrade(settings, HEAD)


def migration_settings() -> Config:
    """Alembic's settings for our migrations, which lie inside this package."""
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    return settings
