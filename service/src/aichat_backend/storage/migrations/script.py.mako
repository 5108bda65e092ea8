"""${message}."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}
# Earlier if programs before this one can use what it makes: see the package.
usable_from = ${repr(up_revision)}


def upgrade() -> None:
    """To this state."""
    ${upgrades if upgrades else "pass"}
