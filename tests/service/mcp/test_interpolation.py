"""Placeholders: what is filled in, and what is text and stays text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat_backend.mcp.interpolation import fill
from aichat_backend.mcp.problems import EntryProblem


@given(st.text().filter(lambda text: "${" not in text))
def test_text_without_placeholders_stays_as_it_is(text: str) -> None:
    filled = fill(text, {})

    assert filled.value.text == text
    assert filled.secrets == ()


@given(st.text(min_size=1), st.text(min_size=1))
def test_what_is_filled_in_is_never_read_for_placeholders(value: str, user: str) -> None:
    filled = fill("${env:A}", {"A": value + "${env:B}${user_id}", "B": user})

    assert filled.value.text == value + "${env:B}${user_id}"
    assert not filled.value.names_user


@given(st.text(alphabet="${}:envfilA") | st.text())
def test_any_text_can_be_written(text: str) -> None:
    assert fill(text.replace("${", "$${"), {}).value.text == text


def test_values_come_from_the_environment_and_from_files(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("  s3cret\n")
    token.chmod(0o640)

    filled = fill(f"Bearer ${{file:{token}}} for ${{env:WHO}}", {"WHO": "pmm"})

    assert filled.value.text == "Bearer s3cret for pmm"
    assert set(filled.secrets) == {"s3cret", "pmm"}
    assert filled.warnings == ()


def test_the_users_id_is_filled_in_for_each_user() -> None:
    value = fill("id=${user_id};", {}).value

    assert value.names_user
    assert value.for_user("7") == "id=7;"
    assert value.for_user("8") == "id=8;"


def test_tools_are_listed_as_whoever_the_placeholder_names() -> None:
    value = fill("id=${user_id:lister@pmm};", {}).value

    assert value.names_user
    assert value.for_user("7") == "id=7;"
    assert value.for_listing() == "id=lister@pmm;"


def test_without_a_name_a_users_header_is_not_sent_when_tools_are_listed() -> None:
    assert fill("id=${user_id}", {}).value.for_listing() is None
    assert fill("same", {}).value.for_listing() == "same"


@pytest.mark.parametrize("name", ["", "two words", "ü", "x" * 129])
def test_a_name_to_list_tools_as_must_be_one_that_a_user_could_have(name: str) -> None:
    with pytest.raises(EntryProblem, match="user_id:NAME"):
        fill(f"${{user_id:{name}}}", {})


@pytest.mark.parametrize("user_id", ["", "1\r\nX-Admin: yes", "a b", "ü", "x" * 129])
def test_an_id_that_is_no_word_gets_into_no_header(user_id: str) -> None:
    with pytest.raises(ValueError, match="cannot be written into a header"):
        fill("${user_id}", {}).value.for_user(user_id)


def test_a_dollar_and_a_brace_can_be_written() -> None:
    assert fill("$${env:A} costs $5", {"A": "never"}).value.text == "${env:A} costs $5"


def test_a_file_that_everyone_can_read_is_warned_about(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret")
    token.chmod(0o644)

    (warning,) = fill(f"${{file:{token}}}", {}).warnings

    assert "chmod 0640" in warning


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("${HOME}", "not known"),
        ("${env:}", "not known"),
        ("${user:1}", "not known"),
        ("${unclosed", "not known"),
        ("${env:NOT_THERE}", "NOT_THERE, which is not set"),
        ("${file:relative}", "whole path"),
        ("${file:/does/not/exist}", "cannot be read"),
    ],
)
def test_what_cannot_be_filled_in_is_told_with_its_remedy(text: str, problem: str) -> None:
    with pytest.raises(EntryProblem, match=problem):
        fill(text, {"EMPTY": ""})


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe", b"x" * 70_000])
def test_a_file_without_a_value_is_a_problem_that_shows_neither_content_nor_path(
    content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "token").write_bytes(content)

    with pytest.raises(EntryProblem) as caught:
        fill(f"${{file:{tmp_path / 'token'}}}", {})

    assert str(tmp_path) not in caught.value.problem.message
    assert caught.value.problem.detail == str(tmp_path / "token")
