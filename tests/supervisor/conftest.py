"""Reading an ini as supervisord itself would."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from supervisor.datatypes import dict_of_key_value_pairs
from supervisor.options import UnhosedConfigParser, expand


def by_supervisor(text: str, program: str) -> dict[str, str]:
    """The environment of a program, by supervisord's own parser, expansion and splitting."""
    parser = UnhosedConfigParser()
    parser.read_file(io.StringIO(text, newline=None))
    parser.expand_here("/here")
    raw = parser.saneget(f"program:{program}", "environment", "", do_expand=False)
    return dict(dict_of_key_value_pairs(expand(raw, {"here": "/here"}, "environment")))


@pytest.fixture
def read() -> Callable[[str, str], dict[str, str]]:
    """The reader, for tests."""
    return by_supervisor
