"""The mark of tests that start whole processes: the quick loop leaves them out."""

from __future__ import annotations

import pytest

STARTS_PROCESSES = pytest.mark.starts_processes

BESIDE_THE_OTHERS = pytest.mark.xdist_group("beside")
"""The mark of those that take minutes and mostly wait: another worker runs them meanwhile."""
