"""The audit trail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
usable_from = "0005"


def upgrade() -> None:
    """To this state."""
    op.create_table(
        "audit",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("user_id", sa.String(64)),
        sa.Column("session_id", sa.String(64)),
        sa.Column("subject", sa.Text),
        sa.Column("tool", sa.Text),
        sa.Column("details", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_audit")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_audit_at_pk"), "audit", ["at", "pk"])
    op.create_index(op.f("ix_audit_user_id_at_pk"), "audit", ["user_id", "at", "pk"])
