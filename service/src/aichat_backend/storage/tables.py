"""The schema. A change here needs a migration; a test compares the two."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

from aichat_backend.storage.types import Instant, RowNumber

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

# Row numbers are never used twice (AUTOINCREMENT), so they order rows by age even after deletions.
sessions = Table(
    "sessions",
    metadata,
    Column("pk", RowNumber, primary_key=True),
    Column("user_id", String(19), nullable=False),
    Column("id", String(64), nullable=False),
    Column("title", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    # In this order, so that no lookup by the user alone mistakes it for the index of the list.
    UniqueConstraint("id", "user_id"),
    sqlite_autoincrement=True,
)

# Read backwards, it lists a user's sessions by newest activity without sorting.
Index(None, sessions.c.user_id, sessions.c.updated_at, sessions.c.pk)

messages = Table(
    "messages",
    metadata,
    Column("pk", RowNumber, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("session_pk", RowNumber, ForeignKey("sessions.pk", ondelete="CASCADE"), nullable=False),
    Column("role", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("parts", Text, nullable=False),
    Column("context", Text, nullable=False),
    Column("input_tokens", Integer),
    Column("output_tokens", Integer),
    Column("created_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

Index(None, messages.c.session_pk, messages.c.pk)
