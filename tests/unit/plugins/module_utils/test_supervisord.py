# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which supervisord runs, by which Python, with which configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils import _supervisord
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._supervisord import (
    Supervisord,
    SupervisordProblem,
    discover,
)


def process(proc: Path, pid: int, *arguments: str, environment: str = "A=1\0B=x=y\0") -> None:
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "cmdline").write_text("".join(f"{argument}\0" for argument in arguments))
    (proc / str(pid) / "environ").write_text(environment)
    (proc / str(pid) / "exe").symlink_to("/usr/bin/python3.9")


@pytest.mark.parametrize(
    ("arguments", "configuration"),
    [
        (("-c", "/etc/a.conf"), "/etc/a.conf"),
        (("-n", "--configuration", "/etc/a.conf"), "/etc/a.conf"),
        (("--configuration=/etc/a.conf",), "/etc/a.conf"),
        (("-c/etc/a.conf", "-n"), "/etc/a.conf"),
    ],
)
def test_the_running_one_is_found(tmp_path: Path, arguments: tuple[str, ...], configuration: str) -> None:
    process(tmp_path, 7, "bash")
    process(tmp_path, 12, "/opt/venv/bin/python", "/usr/bin/supervisord", *arguments)
    (tmp_path / "self").mkdir()
    assert discover(None, str(tmp_path)) == Supervisord("/opt/venv/bin/python", configuration, {"A": "1", "B": "x=y"})


def test_a_configuration_that_was_given_wins(tmp_path: Path) -> None:
    process(tmp_path, 12, "python3", "/usr/bin/supervisord", "-c", "/etc/a.conf")
    found = discover("/etc/b.conf", str(tmp_path))
    assert (found.python, found.configuration) == ("/usr/bin/python3.9", "/etc/b.conf")


@pytest.mark.parametrize("line", ["#!/usr/bin/python3 -s", "#!/usr/bin/env python3", "#! /usr/bin/python3"])
def test_an_installed_one_names_its_python(tmp_path: Path, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_supervisord.shutil, "which", lambda name: f"/usr/bin/{name}")
    program = tmp_path / "supervisord"
    program.write_text(line + "\n")
    proc = tmp_path / "proc"
    proc.mkdir()
    assert discover("/c", str(proc), str(program)) == Supervisord("/usr/bin/python3", "/c", {})


def test_a_program_without_that_line_is_told(tmp_path: Path) -> None:
    program = tmp_path / "supervisord"
    program.write_text("binary")
    with pytest.raises(SupervisordProblem, match="does not name the Python"):
        discover("/c", str(tmp_path), str(program))


def test_none_at_all_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_supervisord.shutil, "which", lambda name: None)
    with pytest.raises(SupervisordProblem, match="neither running nor installed"):
        discover(None, str(tmp_path))


def test_a_missing_configuration_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_supervisord, "_USUAL_CONFIGURATIONS", (str(tmp_path / "missing"),))
    process(tmp_path, 12, "/usr/bin/python3", "/usr/bin/supervisord")
    with pytest.raises(SupervisordProblem, match="No supervisord configuration"):
        discover(None, str(tmp_path))


def test_the_check_runs_as_supervisord_would() -> None:
    calls: list[tuple[list[str], dict[str, Any]]] = []

    def run(command: list[str], **options: Any) -> tuple[int, str, str]:
        calls.append((command, options))
        return 0, json.dumps({"problem": None}), ""

    Supervisord("/p", "/c", {"A": "1"}).check(run, "/target.ini", "/candidate")
    assert calls[0][0] == ["/p", "-", "/c", "/target.ini", "/candidate"]
    assert calls[0][1]["environ_update"] == {"A": "1"}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((0, json.dumps({"problem": "line 3 is bad"}), ""), "would not load its configuration: line 3 is bad"),
        ((1, "", "ModuleNotFoundError: No module named 'supervisor'"), "No module named 'supervisor'"),
        ((1, "", "ValueError: AICHAT_API_KEY=canary"), "could not be run by /p: ValueError$"),
        ((9, "", ""), "exit status 9"),
    ],
)
def test_problems_are_told_without_values(answer: tuple[int, str, str], message: str) -> None:
    with pytest.raises(SupervisordProblem, match=message):
        Supervisord("/p", "/c", {}).check(lambda command, **options: answer, "/t", "/c")
