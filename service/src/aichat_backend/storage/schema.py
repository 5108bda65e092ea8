"""Which state the schema is in, and how it gets to this version's.

Alembic is imported only when there is something to do: on most starts there is not.
"""

from __future__ import annotations

from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, select, update

from aichat_backend.storage.errors import NewerDatabase

if TYPE_CHECKING:
    from alembic.config import Config

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009")
"""Every state the schema has had, oldest first. A test compares this with the migrations."""

HEAD = REVISIONS[-1]

_of_the_schema = MetaData()
_version = Table("alembic_version", _of_the_schema, Column("version_num", String(32), primary_key=True))
_compatibility = Table("schema_compatibility", _of_the_schema, Column("usable_from", String(32), primary_key=True))
_TOUCH = update(_version).values(version_num=_version.c.version_num)


class SchemaAge(Enum):
    """How a schema that can be used stands to the one that this version makes."""

    OLDER = auto()
    """To be upgraded, or not there yet."""
    CURRENT = auto()
    NEWER = auto()
    """A newer version made it, and left all in it that this one needs. It is for newer versions to change."""


def read_revision(connection: Connection) -> str | None:
    """The state the schema is in; None for an empty database."""
    return _value_in(connection, _version)


def touch(connection: Connection) -> None:
    """Write what is there already, to see whether anything can be written."""
    connection.execute(_TOUCH)


def schema_age(connection: Connection) -> SchemaAge:
    """Whether the schema is older or newer than this version, which can use it, if need be after an upgrade.

    Raises:
        NewerDatabase: when a newer version made it, and this one cannot use it.
    """
    revision = read_revision(connection)
    if revision == HEAD:
        return SchemaAge.CURRENT
    if revision is None or revision in REVISIONS:
        return SchemaAge.OLDER
    needed = _value_in(connection, _compatibility) or revision
    if needed in REVISIONS:
        return SchemaAge.NEWER
    raise NewerDatabase(
        f"The database was changed by a newer version of aichat-backend: its schema is at {revision!r} and needs a"
        f" version that knows {needed!r}, and this version knows no later one than {HEAD!r}. Install the newer version,"
        " or restore a backup from before it."
    )


def record_compatibility(connection: Connection, usable_from: str) -> None:
    """Keep with the schema what the migration that made it declares: versions from that revision on can use it."""
    if inspect(connection).has_table(_compatibility.name):
        connection.execute(update(_compatibility).values(usable_from=usable_from))


def upgrade_schema(connection: Connection) -> None:
    """Bring the schema to `HEAD` in this transaction, unless another process just did, or went further."""
    if schema_age(connection) is not SchemaAge.OLDER:
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


def _value_in(connection: Connection, table: Table) -> str | None:
    """What a table of one row and one column holds; None when it is not there."""
    if not inspect(connection).has_table(table.name):
        return None
    return connection.scalar(select(*table.columns))
