"""Any process can have an answer stopped that another one makes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
usable_from = "0007"


def upgrade() -> None:
    """To this state."""
    # SQLite adds a column behind the constraints, where no new table has it.
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    with op.batch_alter_table("runs", recreate="always" if is_sqlite else "never") as batch:
        # With a default, for processes of an earlier version that are still there.
        batch.add_column(sa.Column("stop_wanted", sa.Boolean, nullable=False, server_default=sa.false()))
