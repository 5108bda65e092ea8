"""Which state the schema is in, and how it gets to this version's.

Alembic is imported only when there is something to do: on most starts there is not.
"""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, select

from aichat_backend.storage.errors import NewerDatabase

if TYPE_CHECKING:
    from alembic.config import Config

    from aichat_backend.storage.transactions import Transaction

REVISIONS = ("0001",)
"""Every state the schema has had, oldest first. A test compares this with the migrations."""

HEAD = REVISIONS[-1]

_version = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))


async def read_revision(transaction: Transaction) -> str | None:
    """The state the schema is in; None for an empty database."""
    if not await transaction.run_sync(_has_version_table):
        return None
    revision: str | None = await transaction.scalar(select(_version.c.version_num))
    return revision


async def is_current(transaction: Transaction) -> bool:
    """Whether there is nothing to upgrade.

    Raises:
        NewerDatabase: when the schema is in a state this version does not know.
    """
    revision = await read_revision(transaction)
    if revision is not None and revision not in REVISIONS:
        raise NewerDatabase(
            f"The database was changed by a newer version of aichat-backend: its schema is at {revision!r}, and this"
            f" version knows no later one than {HEAD!r}. Install the newer version, or restore a backup from before it."
        )
    return revision == HEAD


async def upgrade_schema(transaction: Transaction) -> None:
    """Bring the schema to `HEAD` in this transaction, unless another process just did."""
    if await is_current(transaction):
        return
    await asyncio.to_thread(importlib.import_module, "alembic.command")
    await transaction.run_sync(_run_migrations)


def migration_settings() -> Config:
    """Alembic's settings for our migrations, which lie inside this package."""
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    return settings


def _has_version_table(connection: Connection) -> bool:
    return inspect(connection).has_table(_version.name)


def _run_migrations(connection: Connection) -> None:
    from alembic import command

    settings = migration_settings()
    settings.attributes["connection"] = connection
    command.upgrade(settings, HEAD)
