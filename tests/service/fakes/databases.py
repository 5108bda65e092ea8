"""Which databases a test of storage runs on: all of them, unless it says otherwise."""

from __future__ import annotations

import pytest

SQLITE = pytest.param("sqlite")
POSTGRES = pytest.param("postgresql", marks=pytest.mark.thorough)

ON_SQLITE = pytest.mark.parametrize("kind", [SQLITE], indirect=True)
"""The mark of tests that are about the file, or look at the database in SQLite's own words."""

ON_POSTGRES = pytest.mark.parametrize("kind", [POSTGRES], indirect=True)
"""The mark of tests that are about the server."""
