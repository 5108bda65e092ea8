# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The newest suitable Python, or a message that says what to install."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils import _interpreters
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._interpreters import (
    NEWEST,
    OLDEST,
    PythonProblem,
    choose,
    distribution_family,
    locate,
)

SERVICE = Path(__file__).resolve().parents[4] / "service"


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Callable[..., tuple[int, str, str]]]:
    """A host with these Pythons: name=(minor, has venv)."""

    def build(**pythons: tuple[int, bool]) -> Callable[..., tuple[int, str, str]]:
        known = {"/usr/bin/" + name.replace("_", "."): answer for name, answer in pythons.items()}
        monkeypatch.setattr(
            _interpreters, "locate", lambda name: f"/usr/bin/{name}" if f"/usr/bin/{name}" in known else None
        )

        def run(command: list[str]) -> tuple[int, str, str]:
            minor, has_venv = known[command[0]]
            return 0, json.dumps([3, minor, f"3.{minor}.1", has_venv]), ""

        return run

    return build


def test_the_newest_is_taken(host: Callable[..., Callable[..., tuple[int, str, str]]]) -> None:
    run = host(python3_11=(11, True), python3_13=(13, True), python3=(9, True))
    assert choose(None, True, run, "debian").path == "/usr/bin/python3.13"


def test_an_older_one_with_venv_is_better_than_none(host: Callable[..., Callable[..., tuple[int, str, str]]]) -> None:
    run = host(python3_11=(11, True), python3_13=(13, False))
    assert choose(None, True, run, "debian").path == "/usr/bin/python3.11"
    assert choose(None, False, run, "debian").path == "/usr/bin/python3.13"


def test_a_plain_python3_counts(host: Callable[..., Callable[..., tuple[int, str, str]]]) -> None:
    assert choose(None, True, host(python3=(12, True)), "").version == "3.12.1"


@pytest.mark.parametrize(
    ("family", "remedy"),
    [
        ("debian", "apt-get install python3.13-venv"),
        ("el", "dnf install python3.13"),
        ("", "venv package for python3.13"),
    ],
)
def test_a_missing_venv_is_told(
    host: Callable[..., Callable[..., tuple[int, str, str]]], family: str, remedy: str
) -> None:
    with pytest.raises(PythonProblem, match=re.escape(remedy)):
        choose(None, True, host(python3_13=(13, False)), family)
    with pytest.raises(PythonProblem, match=re.escape(remedy)):
        choose("python3.13", True, host(python3_13=(13, False)), family)


@pytest.mark.parametrize(("family", "remedy"), [("debian", "apt-get install"), ("el", "dnf install python3.12")])
def test_no_suitable_python_is_told(
    host: Callable[..., Callable[..., tuple[int, str, str]]], family: str, remedy: str
) -> None:
    with pytest.raises(PythonProblem, match=rf"No Python from 3\.11 to 3\.13.*{remedy}"):
        choose(None, True, host(python3=(9, True)), family)


def test_the_python_that_was_asked_for(host: Callable[..., Callable[..., tuple[int, str, str]]]) -> None:
    run = host(python3_11=(11, True), python3_13=(13, True), python3=(9, True))
    assert choose("python3.11", True, run, "").path == "/usr/bin/python3.11"
    with pytest.raises(PythonProblem, match=r"python3\.12, is not on this host"):
        choose("python3.12", True, run, "")
    with pytest.raises(PythonProblem, match=r"is Python 3\.9\.1; the service needs 3\.11 to 3\.13"):
        choose("python3", True, run, "")


@pytest.mark.parametrize("answer", [(1, "", "error"), (0, "no json", "")])
def test_what_does_not_run_as_python_is_told(monkeypatch: pytest.MonkeyPatch, answer: tuple[int, str, str]) -> None:
    monkeypatch.setattr(_interpreters, "locate", lambda name: f"/usr/bin/{name}")
    with pytest.raises(PythonProblem, match="does not run as a Python 3"):
        choose("perl", True, lambda command: answer, "")


def test_locating(tmp_path: Path) -> None:
    program = tmp_path / "python3.13"
    program.write_text("")
    assert locate(str(program)) is None
    program.chmod(0o755)
    assert locate(str(program)) == str(program)
    assert locate("relative/python") is None
    assert locate("surely-not-a-program") is None


@pytest.mark.parametrize(
    ("content", "family"),
    [
        ("ID=debian\n", "debian"),
        ("ID=ubuntu\nID_LIKE=debian\n", "debian"),
        ('ID="ol"\nID_LIKE="fedora"\n', "el"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "el"),
        ("ID=alpine\n", ""),
    ],
)
def test_distributions(tmp_path: Path, content: str, family: str) -> None:
    (tmp_path / "os-release").write_text(content)
    assert distribution_family(str(tmp_path / "os-release")) == family
    assert distribution_family(str(tmp_path / "missing")) == ""


def test_the_range_is_that_of_the_service() -> None:
    wanted = f'requires-python = ">={OLDEST[0]}.{OLDEST[1]},<{NEWEST[0]}.{NEWEST[1] + 1}"'
    assert wanted in (SERVICE / "pyproject.toml").read_text().splitlines()
