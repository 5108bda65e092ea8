"""An index of words to search in, in place of folded text to search through."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

# Not as they are today, but as the program looks for them: words are derived from what is stored.
from aichat_backend.storage.rows import said
from aichat_backend.storage.words import indexed_words

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
usable_from = "0006"

_BATCH = 500

_TITLES = sa.text(
    """
    SELECT pk AS last, pk AS session_pk, NULL AS message_pk, user_id, title AS source
    FROM sessions WHERE pk > :last ORDER BY pk LIMIT :batch
    """
)
_MESSAGES = sa.text(
    """
    SELECT messages.pk AS last, session_pk, messages.pk AS message_pk, user_id, parts AS source
    FROM messages JOIN sessions ON sessions.pk = session_pk
    WHERE messages.pk > :last ORDER BY messages.pk LIMIT :batch
    """
)
_DOCUMENTS = sa.table("search_documents", sa.column("session_pk"), sa.column("message_pk"), sa.column("words"))

_FTS5 = (
    """
    CREATE VIRTUAL TABLE search_index USING fts5(
        words, content='search_documents', content_rowid='pk', detail=none, columnsize=0,
        tokenize="ascii tokenchars ':'"
    )
    """,
    "INSERT INTO search_index (search_index) VALUES ('rebuild')",
    "CREATE TABLE search_removals (number INTEGER NOT NULL)",
    "INSERT INTO search_removals (number) VALUES (0)",
    """
    CREATE TRIGGER search_documents_added AFTER INSERT ON search_documents BEGIN
        INSERT INTO search_index (rowid, words) VALUES (new.pk, new.words);
    END
    """,
    """
    CREATE TRIGGER search_documents_removed AFTER DELETE ON search_documents BEGIN
        INSERT INTO search_index (search_index, rowid, words) VALUES ('delete', old.pk, old.words);
        UPDATE search_removals SET number = number + 1;
    END
    """,
    """
    CREATE TRIGGER search_documents_changed AFTER UPDATE OF words ON search_documents BEGIN
        INSERT INTO search_index (search_index, rowid, words) VALUES ('delete', old.pk, old.words);
        INSERT INTO search_index (rowid, words) VALUES (new.pk, new.words);
        UPDATE search_removals SET number = number + 1;
    END
    """,
)
_GIN = """
    CREATE INDEX ix_search_documents_vector ON search_documents USING gin
    (array_to_tsvector(string_to_array(words, ' ')))
"""


def upgrade() -> None:
    """To this state."""
    row_number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "search_documents",
        sa.Column("pk", row_number, nullable=False),
        sa.Column("session_pk", row_number, nullable=False),
        sa.Column("message_pk", row_number),
        sa.Column("words", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_search_documents")),
        sa.ForeignKeyConstraint(
            ["session_pk"], ["sessions.pk"], name=op.f("fk_search_documents_session_pk"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["message_pk"], ["messages.pk"], name=op.f("fk_search_documents_message_pk"), ondelete="CASCADE"
        ),
        sqlite_autoincrement=True,
    )
    _fill(_TITLES, str)
    _fill(_MESSAGES, said)
    op.create_index(op.f("ix_search_documents_session_pk_message_pk"), "search_documents", ["session_pk", "message_pk"])
    op.create_index(op.f("ix_search_documents_message_pk"), "search_documents", ["message_pk"])
    with op.batch_alter_table("sessions", table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.drop_column("search_title")
    with op.batch_alter_table("messages", table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.drop_column("search_text")
    connection = op.get_bind()
    for statement in _FTS5 if connection.dialect.name == "sqlite" else [_GIN]:
        connection.exec_driver_sql(statement)


def _fill(source: sa.TextClause, text_of: Callable[[str], str]) -> None:
    """Write the words, some rows at a time."""
    connection = op.get_bind()
    last = 0
    while found := connection.execute(source, {"last": last, "batch": _BATCH}).all():
        documents = [
            {"session_pk": row.session_pk, "message_pk": row.message_pk, "words": words}
            for row in found
            if (words := indexed_words(row.user_id, text_of(row.source))) or row.message_pk is None
        ]
        if documents:
            connection.execute(sa.insert(_DOCUMENTS), documents)
        last = found[-1].last
