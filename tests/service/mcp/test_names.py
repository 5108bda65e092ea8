"""Names of tools for models: fit for every provider, and each tool's own."""

from __future__ import annotations

import re
import string

from hypothesis import given
from hypothesis import strategies as st

from aichat_backend.mcp.names import LONGEST, may_be_of, model_name

FITS = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")

# Small alphabets make pairs that look alike; the wide one, what no provider takes.
ALIKE = st.text(alphabet="a_-", min_size=1, max_size=5)
LONG = st.text(alphabet="ab_", min_size=50, max_size=80)
WIDE = st.text(min_size=1, max_size=80)
NAMES = ALIKE | LONG | WIDE
PAIRS = st.tuples(NAMES, NAMES)


@given(PAIRS)
def test_every_name_fits_every_provider(pair: tuple[str, str]) -> None:
    assert FITS.fullmatch(model_name(*pair)), model_name(*pair)


@given(PAIRS, PAIRS)
def test_different_tools_never_share_a_name(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (model_name(*one) == model_name(*other)) == (one == other)


@given(st.tuples(ALIKE, ALIKE), st.tuples(ALIKE, ALIKE))
def test_nor_do_tools_whose_names_are_made_of_separators(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (model_name(*one) == model_name(*other)) == (one == other)


@given(PAIRS)
def test_no_tool_can_take_the_hashed_name_of_another(pair: tuple[str, str]) -> None:
    hashed = model_name(*pair)
    server, separator, tool = hashed.partition("__")

    if separator and (server, tool) != pair:
        assert model_name(server, tool) != hashed


@given(
    st.text(alphabet=string.ascii_lowercase, min_size=1, max_size=20),
    st.text(alphabet=string.ascii_lowercase + "_", min_size=1, max_size=20),
)
def test_ordinary_names_can_be_read(server: str, tool: str) -> None:
    assert model_name(server, tool) == f"{server}__{tool}"


def test_a_name_that_is_cut_keeps_its_beginning() -> None:
    name = model_name("analytics", "describe_" * 10)

    assert name.startswith("analytics__describe_describe_")
    assert len(name) == LONGEST


def test_a_server_may_be_called_anything() -> None:
    assert re.fullmatch(r"my_server__read_[0-9a-f]{12}", model_name("my server", "read"))
    assert re.fullmatch(r"_1st__read_[0-9a-f]{12}", model_name("1st", "read"))


@given(PAIRS)
def test_a_tools_server_can_be_told_by_its_name(pair: tuple[str, str]) -> None:
    assert may_be_of(model_name(*pair), pair[0])


def test_servers_whose_names_differ_are_told_apart() -> None:
    assert not may_be_of(model_name("pmm", "query"), "pmm-logs")
    assert not may_be_of(model_name("pmm-logs", "query"), "pmm")
