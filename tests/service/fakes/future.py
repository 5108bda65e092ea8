"""What later versions of the program do to a database: migrations that this one does not have."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from alembic import command
from sqlalchemy import Connection

from aichat_backend.storage.database import Database
from aichat_backend.storage.schema import HEAD, migration_settings

ADDING = """
    with op.batch_alter_table("sessions", recreate=recreate, table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.add_column(sa.Column("pinned", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table("labels", sa.Column("name", sa.Text, primary_key=True))
    op.create_index("ix_messages_model", "messages", ["model"])
"""
"""What older programs need not know of."""

REMOVING = """
    with op.batch_alter_table("sessions", table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.drop_column("title")
"""
"""What older programs cannot do without."""

_MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {after!r}
branch_labels = None
depends_on = None
usable_from = {usable_from!r}


def upgrade():
    recreate = "always" if op.get_bind().dialect.name == "sqlite" else "never"
{body}
"""


@dataclass(frozen=True)
class Migration:
    """One that comes after those that there are."""

    revision: str = "0101"
    after: str = HEAD
    usable_from: str = HEAD
    body: str = ADDING


COMPATIBLE = Migration()
BREAKING = Migration(usable_from="0101", body=REMOVING)
ADDING_TO_A_BROKEN_ONE = replace(COMPATIBLE, revision="0102", after="0101", usable_from="0101")


async def upgrade_to_the_future(url: str, folder: Path, *migrations: Migration) -> None:
    """Bring the schema to what a later version with these migrations makes, as that version would."""
    for migration in migrations:
        file = folder / f"{migration.revision}_future.py"
        file.write_text(_MIGRATION.format(**vars(migration)))
    settings = migration_settings()
    ours = Path(settings.get_main_option("script_location") or "") / "versions"
    settings.set_main_option("path_separator", "newline")
    settings.set_main_option("version_locations", f"{ours}\n{folder}")

    def upgrade(connection: Connection) -> None:
        settings.attributes["connection"] = connection
        command.upgrade(settings, "head")

    database = await Database.open(url)
    try:
        await database._migrating.run(upgrade)
    finally:
        await database.close()
