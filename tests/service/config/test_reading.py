"""Values as they are written, in variables and in YAML, and what is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from aichat_backend.config.kinds import KINDS
from aichat_backend.config.reading import WrongValues, read_settings, read_value

ANY_YAML = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.binary(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@given(st.sampled_from(sorted(KINDS)), ANY_YAML)
def test_whatever_is_written_is_read_or_refused_in_words(setting: str, written: object) -> None:
    try:
        read_settings({setting: written})
        problems: Mapping[str, str] = {}
    except WrongValues as error:
        problems = error.problems
    assert problems.keys() <= {setting}
    assert all(problem.startswith(("is ", "must ")) for problem in problems.values())


@given(st.integers(1, 65_535), st.sampled_from(["{}", " {} ", "+{}", "0{}"]))
def test_a_whole_number_is_read_however_it_is_written(number: int, form: str) -> None:
    assert read_value("port", form.format(number)) == read_value("port", number) == number


@given(st.floats(0, 2))
def test_a_number_is_read_as_python_and_yaml_write_it(number: float) -> None:
    assert read_value("llm_temperature", str(number)) == read_value("llm_temperature", number) == number


@given(st.one_of(st.integers(), st.floats(), st.text(st.sampled_from("0123456789+-.eE_ infa"))))
def test_what_is_read_as_a_number_is_within_its_limits(written: object) -> None:
    for value in (written, str(written)):
        try:
            port = read_value("port", value)
        except ValueError:
            continue
        assert type(port) is int
        assert 1 <= port <= 65_535


@given(st.sampled_from(["true", "yes", "on", "false", "no", "off"]), st.data())
def test_a_switch_is_read_as_yaml_reads_it_in_any_case(word: str, data: st.DataObject) -> None:
    written = "".join(data.draw(st.sampled_from([sign.lower(), sign.upper()])) for sign in word)
    assert read_value("auto_titles", written) is yaml.safe_load(word)


@given(st.text())
def test_a_switch_takes_no_other_words(word: str) -> None:
    if word.lower() in {"true", "t", "yes", "y", "on", "1", "false", "f", "no", "n", "off", "0"}:
        return
    with pytest.raises(ValueError, match="is not allowed"):
        read_value("auto_titles", word)


@pytest.mark.parametrize(
    ("setting", "written"),
    [("port", True), ("llm_temperature", False), ("auto_titles", 2), ("llm_model", 4), ("data_dir", 4), ("api_key", 4)],
)
def test_a_value_of_another_type_is_not_taken_for_one(setting: str, written: Any) -> None:
    with pytest.raises(ValueError, match="is not allowed"):
        read_value(setting, written)


def test_the_words_for_nothing_are_no_number_and_may_be_a_model() -> None:
    assert read_value("llm_model", "null") == "null"
    with pytest.raises(ValueError, match="is not allowed"):
        read_value("llm_context_tokens", "null")
