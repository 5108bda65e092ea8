"""Sessions and their messages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None
usable_from = "0001"


def upgrade() -> None:
    """To this state."""
    row_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "sessions",
        sa.Column("pk", row_number, nullable=False),
        sa.Column("user_id", sa.String(19), nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_sessions")),
        sa.UniqueConstraint("id", "user_id", name=op.f("uq_sessions_id_user_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_sessions_user_id_updated_at_pk"), "sessions", ["user_id", "updated_at", "pk"])
    op.create_table(
        "messages",
        sa.Column("pk", row_number, nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("session_pk", row_number, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("parts", sa.Text, nullable=False),
        sa.Column("context", sa.Text, nullable=False),
        sa.Column("input_tokens", sa.Integer),
        sa.Column("output_tokens", sa.Integer),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_messages")),
        sa.UniqueConstraint("id", name=op.f("uq_messages_id")),
        sa.ForeignKeyConstraint(
            ["session_pk"], ["sessions.pk"], name=op.f("fk_messages_session_pk"), ondelete="CASCADE"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_messages_session_pk_pk"), "messages", ["session_pk", "pk"])
