"""What Alembic runs around the migrations: they use the connection, and the transaction, they are given."""

from __future__ import annotations

from alembic import context

from aichat_backend.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite changes a column by replacing its table.
    render_as_batch=True,
)
context.run_migrations()
