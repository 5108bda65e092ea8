"""Messages know their position, sessions and their owners how many they have."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
usable_from = "0003"

_SESSIONS_A_BATCH = 500


def upgrade() -> None:
    """To this state."""
    op.add_column("sessions", sa.Column("message_count", sa.BigInteger))
    op.add_column("messages", sa.Column("position", sa.BigInteger))
    _number_messages()
    with op.batch_alter_table("sessions", table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.alter_column("message_count", existing_type=sa.BigInteger(), nullable=False)
    with op.batch_alter_table("messages", table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.alter_column("position", existing_type=sa.BigInteger(), nullable=False)
        batch.drop_index(op.f("ix_messages_session_pk_pk"))
        batch.create_unique_constraint(op.f("uq_messages_session_pk_position"), ["session_pk", "position"])
    op.create_table(
        "owners",
        sa.Column("user_id", sa.String(19), nullable=False),
        sa.Column("session_count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_owners")),
    )
    op.execute("INSERT INTO owners (user_id, session_count) SELECT user_id, count(*) FROM sessions GROUP BY user_id")


def _number_messages() -> None:
    """Give each message its position, and each session their number, some sessions at a time."""
    connection = op.get_bind()
    some = {"first": 0, "last": 0}
    while last := connection.scalar(_LAST_OF_BATCH, {"after": some["last"], "batch": _SESSIONS_A_BATCH}):
        some = {"first": some["last"] + 1, "last": last}
        connection.execute(_NUMBER, some)
        connection.execute(_COUNT, some)


_LAST_OF_BATCH = sa.text(
    "SELECT max(pk) FROM (SELECT pk FROM sessions WHERE pk > :after ORDER BY pk LIMIT :batch) AS batch"
)
_NUMBER = sa.text(
    """
    UPDATE messages SET position = numbered.position
    FROM (
        SELECT pk, row_number() OVER (PARTITION BY session_pk ORDER BY pk) AS position
        FROM messages WHERE session_pk BETWEEN :first AND :last
    ) AS numbered
    WHERE messages.pk = numbered.pk
    """
)
_COUNT = sa.text(
    """
    UPDATE sessions SET message_count = (SELECT count(*) FROM messages WHERE messages.session_pk = sessions.pk)
    WHERE pk BETWEEN :first AND :last
    """
)
