"""The two servers, a client that asks one of them all the while, and a later version that adds to the schema."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import testinfra
from testinfra.host import Host

from asking import Asking
from editions import Edit, edition

_SUFFIX = os.environ.get("SERVER_SUFFIX", "")

_NEWER = "0.3.0"
_SCHEMA = "service/src/aichat_backend/storage/schema.py"
_HEAD = "HEAD = REVISIONS[-1]\n"
_MIGRATION = """
import sqlalchemy as sa
from alembic import op

from aichat_backend.storage.schema import REVISIONS

revision = REVISIONS[-1]
down_revision = REVISIONS[-2]
branch_labels = None
depends_on = None
usable_from = REVISIONS[-2]


def upgrade():
    op.add_column("messages", sa.Column("later", sa.Text))
    op.add_column("sessions", sa.Column("later", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_index("ix_sessions_later", "sessions", ["later"])
"""


def _server(name: str) -> Host:
    return testinfra.get_host(f"throwaway://pmm-ai-chat-cluster-{name}{_SUFFIX}")


@pytest.fixture(scope="session")
def one() -> Host:
    """Return the server that is deployed first."""
    return _server("one")


@pytest.fixture(scope="session")
def two() -> Host:
    """Return the server that is deployed after it."""
    return _server("two")


@pytest.fixture(scope="session")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an edition whose version upgrades the schema to one that the project's can use as well."""
    folder = edition(
        tmp_path_factory.mktemp("newer"), _NEWER, Edit(_SCHEMA, _HEAD, f'REVISIONS = (*REVISIONS, "later")\n{_HEAD}')
    )
    collection = folder / "ansible_collections/percona/pmm_ai_chat"
    (collection / _SCHEMA).with_name("migrations").joinpath("versions/later.py").write_text(_MIGRATION)
    return folder


@pytest.fixture
def start_asking() -> Callable[[Host], Asking]:
    """Return what starts a client on a server."""
    return Asking
