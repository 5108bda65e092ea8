# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which packages another host needs, and how pip is asked for them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils import _wheelhouse_making
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._wheelhouse import Platform, WheelhouseProblem
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._wheelhouse_making import (
    download,
    download_options,
    requirements_for,
)

SERVICE = Path(__file__).resolve().parents[4] / "service"
PLATFORM = Platform("3.12", "x86_64", "2.34")
LOCK = """\
# how it was made
always==1.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via
    #   another
old==2.0 ; python_full_version < '3.12' \\
    --hash=sha256:cc
new[extra]==3.0 ; python_full_version >= '3.12' and sys_platform == 'linux' \\
    --hash=sha256:dd
windows==4.0 ; sys_platform == 'win32' \\
    --hash=sha256:ee
arm==5.0 ; platform_machine == 'aarch64' \\
    --hash=sha256:ff
"""


def test_conditions_are_those_of_the_host_and_not_of_this_machine() -> None:
    assert requirements_for(PLATFORM, LOCK).splitlines() == [
        "always==1.0 --hash=sha256:aa --hash=sha256:bb",
        "new[extra]==3.0 --hash=sha256:dd",
    ]
    elsewhere = requirements_for(Platform("3.11", "aarch64", "2.34"), LOCK)
    assert [line.split("=")[0] for line in elsewhere.splitlines()] == ["always", "old", "arm"]


def test_the_lock_of_the_service_loses_only_what_other_systems_need() -> None:
    locked = (SERVICE / "requirements.txt").read_text()
    lines = requirements_for(PLATFORM, locked).splitlines()
    names = {line.partition("==")[0] for line in lines}
    assert {"aiohttp", "flit-core", "sqlalchemy"} <= names
    assert not names & {"pywin32", "tzdata", "httpx2-jsfetch"}
    assert all(" --hash=sha256:" in line for line in lines)


def test_a_line_that_is_no_requirement_is_told() -> None:
    with pytest.raises(WheelhouseProblem, match="no requirement"):
        requirements_for(PLATFORM, "-r another.txt\n")


def test_pip_fetches_wheels_of_that_python_and_no_newer_c_library() -> None:
    options = download_options(PLATFORM)
    assert {"--only-binary=:all:", "--require-hashes", "--no-deps"} <= set(options)
    assert options[options.index("--python-version") + 1] == "3.12"
    assert [options[place + 1] for place, word in enumerate(options) if word == "--abi"] == ["cp312", "abi3", "none"]
    tags = [options[place + 1] for place, word in enumerate(options) if word == "--platform"]
    assert tags[0] == "manylinux_2_34_x86_64"
    assert {"manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux1_x86_64"} <= set(tags)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wheels").mkdir()
    return tmp_path


def fetch(folder: Path, code: int = 0, errors: str = "") -> list[list[str]]:
    asked = []

    def run(command: list[str], cwd: str | None = None) -> tuple[int, str, str]:
        asked.append(command)
        return code, "", errors

    download(PLATFORM, LOCK, str(folder / "wheels"), str(folder), run)
    return asked


def test_pip_is_the_one_beside_ansible(folder: Path) -> None:
    (command,) = fetch(folder)
    assert command[:5] == [sys.executable, "-I", "-m", "pip", "download"]
    assert command[-4:] == ["--dest", str(folder / "wheels"), "--requirement", str(folder / "requirements.txt")]
    assert "always==1.0" in (folder / "requirements.txt").read_text()


def test_an_ansible_without_pip_gets_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_wheelhouse_making.importlib.util, "find_spec", lambda name: None)
    create, command = fetch(folder)
    assert create == [sys.executable, "-I", "-m", "venv", str(folder / "pip")]
    assert command[0] == str(folder / "pip" / "bin" / "python")
    with pytest.raises(WheelhouseProblem, match="neither pip nor a venv"):
        fetch(folder, code=1)


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ("ERROR: No matching distribution found for uvloop==1.0", "no wheel of uvloop==1.0 for Python 3.12 on x86_64"),
        ("Connection refused", "cannot be reached"),
    ],
)
def test_failures_have_one_cause(folder: Path, errors: str, said: str) -> None:
    with pytest.raises(WheelhouseProblem, match=said):
        fetch(folder, code=1, errors=errors)
