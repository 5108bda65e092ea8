"""The policies that the audit trail knows to be in force."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
usable_from = "0008"


def upgrade() -> None:
    """To this state."""
    op.create_table(
        "server_policies",
        sa.Column("server", sa.Text, nullable=False),
        sa.Column("entry_digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("server", name=op.f("pk_server_policies")),
    )
