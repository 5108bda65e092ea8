"""What Alembic runs around the migrations: they use the connection, and the transaction, they are given."""

from __future__ import annotations

from alembic import context

from aichat_backend.storage.schema import read_revision, record_compatibility
from aichat_backend.storage.tables import metadata

_connection = context.config.attributes["connection"]

context.configure(
    connection=_connection,
    target_metadata=metadata,
    # SQLite changes a column by replacing its table.
    render_as_batch=True,
)
context.run_migrations()

_latest = context.script.get_revision(read_revision(_connection) or "base")
if _latest is not None:
    record_compatibility(_connection, _latest.module.usable_from)
