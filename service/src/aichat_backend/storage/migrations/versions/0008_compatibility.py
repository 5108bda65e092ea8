"""The schema itself tells which versions can use it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
# The first version that looks at the table; those before it refuse whatever they do not know.
usable_from = "0008"


def upgrade() -> None:
    """To this state."""
    compatibility = op.create_table(
        "schema_compatibility",
        sa.Column("usable_from", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("usable_from", name=op.f("pk_schema_compatibility")),
    )
    op.bulk_insert(compatibility, [{"usable_from": usable_from}])
