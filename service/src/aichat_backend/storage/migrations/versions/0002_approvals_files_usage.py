"""Approvals, files, usage, pinned tools; the model of an answer; text to search in."""

from __future__ import annotations

import json
import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
usable_from = "0002"

_BATCH = 500


def upgrade() -> None:
    """To this state."""
    row_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    _add_columns()
    op.create_table(
        "approvals",
        sa.Column("message_pk", row_number, nullable=False, autoincrement=False),
        sa.Column("session_pk", row_number, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("calls", sa.Text, nullable=False),
        sa.Column("approved_ids", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("message_pk", name=op.f("pk_approvals")),
        sa.ForeignKeyConstraint(
            ["message_pk"], ["messages.pk"], name=op.f("fk_approvals_message_pk"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["session_pk"], ["sessions.pk"], name=op.f("fk_approvals_session_pk"), ondelete="CASCADE"
        ),
    )
    op.create_index(op.f("ix_approvals_session_pk_status"), "approvals", ["session_pk", "status"])
    op.create_table(
        "blobs",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("text", sa.Text),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_blobs")),
    )
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("kept_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
    )
    op.create_index(op.f("ix_uploads_sha256"), "uploads", ["sha256"])
    op.create_index(op.f("ix_uploads_kept_at"), "uploads", ["kept_at"])
    op.create_table(
        "attachments",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("message_pk", row_number, nullable=False),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("mime_type", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", "message_pk", name=op.f("pk_attachments")),
        sa.ForeignKeyConstraint(
            ["message_pk"], ["messages.pk"], name=op.f("fk_attachments_message_pk"), ondelete="CASCADE"
        ),
    )
    op.create_index(op.f("ix_attachments_message_pk"), "attachments", ["message_pk"])
    op.create_index(op.f("ix_attachments_sha256"), "attachments", ["sha256"])
    op.create_table(
        "usage",
        sa.Column("user_id", sa.String(19), nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("answers", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "day", "model", name=op.f("pk_usage")),
    )
    op.create_table(
        "tool_pins",
        sa.Column("server", sa.Text, nullable=False),
        sa.Column("entry_digest", sa.String(64), nullable=False),
        sa.Column("tool", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("server", "entry_digest", "tool", name=op.f("pk_tool_pins")),
    )


def _add_columns() -> None:
    op.add_column("sessions", sa.Column("search_title", sa.Text))
    op.add_column("messages", sa.Column("search_text", sa.Text))
    op.add_column("messages", sa.Column("model", sa.Text))
    _fill("sessions", "title", "search_title")
    _fill("messages", "parts", "search_text")
    with op.batch_alter_table("sessions", table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.alter_column("search_title", existing_type=sa.Text(), nullable=False)
    with op.batch_alter_table("messages", table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.alter_column("search_text", existing_type=sa.Text(), nullable=False)


def _fill(table: str, source: str, target: str) -> None:
    """Write what searches compare, some rows at a time."""
    rows = sa.table(table, sa.column("pk"), sa.column(source), sa.column(target))
    connection = op.get_bind()
    following = sa.select(rows.c.pk, rows.c[source]).where(rows.c.pk > sa.bindparam("last")).order_by(rows.c.pk)
    filled = sa.update(rows).where(rows.c.pk == sa.bindparam("row")).values({target: sa.bindparam("folded")})
    last = 0
    while found := connection.execute(following.limit(_BATCH), {"last": last}).all():
        said = _said if source == "parts" else str
        connection.execute(filled, [{"row": pk, "folded": _folded(said(value))} for pk, value in found])
        last = found[-1].pk


def _said(parts: str) -> str:
    return "".join(part["text"] for part in json.loads(parts) if part["type"] == "text")


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().replace("\0", "\N{REPLACEMENT CHARACTER}")
