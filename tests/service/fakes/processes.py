"""The marks of tests that start whole processes, which the quick loop leaves out, and of those to begin with."""

from __future__ import annotations

import pytest

STARTS_PROCESSES = pytest.mark.starts_processes

TAKES_MINUTES = pytest.mark.takes_minutes
