"""The mark of tests that start whole processes: the quick loop leaves them out."""

from __future__ import annotations

import pytest

STARTS_PROCESSES = pytest.mark.starts_processes
