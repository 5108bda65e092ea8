"""Answers under way."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
usable_from = "0004"


def upgrade() -> None:
    """To this state."""
    row_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "runs",
        sa.Column("session_pk", row_number, nullable=False, autoincrement=False),
        sa.Column("message_pk", row_number, nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("incarnation", sa.String(64), nullable=False),
        sa.Column("beat", sa.BigInteger, nullable=False),
        sa.Column("replaces", sa.Text, nullable=False),
        sa.Column("draft", sa.Text, nullable=False),
        sa.Column("kept_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("session_pk", name=op.f("pk_runs")),
        sa.ForeignKeyConstraint(["session_pk"], ["sessions.pk"], name=op.f("fk_runs_session_pk"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["message_pk"], ["messages.pk"], name=op.f("fk_runs_message_pk"), ondelete="CASCADE"),
        sa.UniqueConstraint("message_pk", name=op.f("uq_runs_message_pk")),
        sa.UniqueConstraint("id", name=op.f("uq_runs_id")),
    )
