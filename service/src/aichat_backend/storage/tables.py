"""The schema. A change here needs a migration; a test compares the two."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

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
    Column("message_count", BigInteger, nullable=False),
    # In this order, so that no lookup by the user alone mistakes it for the index of the list.
    UniqueConstraint("id", "user_id"),
    sqlite_autoincrement=True,
)

# Read backwards, it lists a user's sessions by newest activity without sorting.
Index(None, sessions.c.user_id, sessions.c.updated_at, sessions.c.pk)

# How many sessions each user has, so that no list counts them.
owners = Table(
    "owners",
    metadata,
    Column("user_id", String(19), primary_key=True),
    Column("session_count", BigInteger, nullable=False),
)

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
    Column("model", Text),
    Column("input_tokens", Integer),
    Column("output_tokens", Integer),
    Column("created_at", Instant, nullable=False),
    # Counted from 1 within the session, without gaps: a page is a range of them.
    Column("position", BigInteger, nullable=False),
    UniqueConstraint("session_pk", "position"),
    sqlite_autoincrement=True,
)

# The words of titles (of no message) and of messages, as searches find them: see `words.indexed_words`. Each database
# has an index of its own kind on them, which `search_index` makes.
search_documents = Table(
    "search_documents",
    metadata,
    Column("pk", RowNumber, primary_key=True),
    Column("session_pk", RowNumber, ForeignKey("sessions.pk", ondelete="CASCADE"), nullable=False),
    Column("message_pk", RowNumber, ForeignKey("messages.pk", ondelete="CASCADE")),
    Column("words", Text, nullable=False),
    sqlite_autoincrement=True,
)

Index(None, search_documents.c.session_pk, search_documents.c.message_pk)
Index(None, search_documents.c.message_pk)

# What an assistant's message with the role `tool_approval` asks, and what became of it.
approvals = Table(
    "approvals",
    metadata,
    Column(
        "message_pk", RowNumber, ForeignKey("messages.pk", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    Column("session_pk", RowNumber, ForeignKey("sessions.pk", ondelete="CASCADE"), nullable=False),
    Column("status", String(16), nullable=False),
    Column("calls", Text, nullable=False),
    Column("approved_ids", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
)

Index(None, approvals.c.session_pk, approvals.c.status)

# Contents of files, each once. No list reads this table.
blobs = Table(
    "blobs",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("text", Text),
    Column("data", LargeBinary, nullable=False),
)

# Contents that were kept for a message which is not stored yet; some never are.
uploads = Table(
    "uploads",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("kept_at", Instant, nullable=False),
)

Index(None, uploads.c.sha256)
Index(None, uploads.c.kept_at)

# Files of messages: of the user's, and those that tools returned. One file may go with several messages. Their contents
# are no foreign key: a message may outlive them, as when a user takes away the only other one that had the file just
# before this one is stored.
attachments = Table(
    "attachments",
    metadata,
    Column("id", String(64), nullable=False),
    Column("message_pk", RowNumber, ForeignKey("messages.pk", ondelete="CASCADE"), nullable=False),
    Column("filename", Text, nullable=False),
    Column("mime_type", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    PrimaryKeyConstraint("id", "message_pk"),
)

Index(None, attachments.c.message_pk)
Index(None, attachments.c.sha256)

usage = Table(
    "usage",
    metadata,
    Column("user_id", String(19), nullable=False),
    Column("day", Date, nullable=False),
    Column("model", Text, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("answers", BigInteger, nullable=False),
    PrimaryKeyConstraint("user_id", "day", "model"),
)

tool_pins = Table(
    "tool_pins",
    metadata,
    Column("server", Text, nullable=False),
    Column("entry_digest", String(64), nullable=False),
    Column("tool", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    PrimaryKeyConstraint("server", "entry_digest", "tool"),
)

# What the audit trail told last of each tool server's entry.
server_policies = Table(
    "server_policies",
    metadata,
    Column("server", Text, primary_key=True),
    Column("entry_digest", String(64), nullable=False),
)

# Answers under way, at most one in a session. A row goes with the transaction that stores the answer; one that is left
# behind is of a process that died. `beat` moves while its process lives, `draft` is what there was of the answer then.
runs = Table(
    "runs",
    metadata,
    Column(
        "session_pk", RowNumber, ForeignKey("sessions.pk", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    Column("message_pk", RowNumber, ForeignKey("messages.pk", ondelete="CASCADE"), nullable=False, unique=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("owner", Text, nullable=False),
    Column("incarnation", String(64), nullable=False),
    Column("beat", BigInteger, nullable=False),
    Column("replaces", Text, nullable=False),
    Column("draft", Text, nullable=False),
    Column("kept_at", Instant, nullable=False),
    Column("stop_wanted", Boolean, nullable=False, server_default=false()),
)

# What was decided and done. Rows are added, and changed only to take a user out who wants to be erased: see `audit.py`.
audit = Table(
    "audit",
    metadata,
    Column("pk", RowNumber, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("action", String(32), nullable=False),
    Column("user_id", String(64)),
    Column("session_id", String(64)),
    Column("subject", Text),
    Column("tool", Text),
    Column("details", Text, nullable=False),
    sqlite_autoincrement=True,
)

Index(None, audit.c.at, audit.c.pk)
Index(None, audit.c.user_id, audit.c.at, audit.c.pk)
