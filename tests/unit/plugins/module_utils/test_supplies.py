# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where packages come from, and what a wheelhouse leaves to choose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils import _interpreters, _supplies, _wheelhouse
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._installers import Installer, Supply
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._interpreters import Interpreter, PythonProblem
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._supplies import Supplies, Wheels
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._wheelhouse import (
    Manifest,
    Platform,
    WheelhouseProblem,
    digests,
)

NEEDED = Platform("3.12", "x86_64", "2.34")
RUN: Callable[..., tuple[int, str, str]] = lambda command: (0, "", "")  # noqa: E731


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A host with these minor versions of Python 3."""

    def build(*minors: int, machine: str = "x86_64", glibc: str = "2.34") -> None:
        there = {
            f"python3.{minor}": Interpreter(f"/usr/bin/python3.{minor}", (3, minor), f"3.{minor}.9", True)
            for minor in minors
        }
        monkeypatch.setattr(_interpreters, "locate", lambda name: there[name].path if name in there else None)
        monkeypatch.setattr(_interpreters, "probe", lambda path, run: there[path.rpartition("/")[2]])
        monkeypatch.setattr(_supplies.platform, "machine", lambda: machine)
        monkeypatch.setattr(_wheelhouse, "host_glibc", lambda: glibc)

    return build


def choose(wanted: str | None = None, needed: Platform = NEEDED) -> str:
    return Supplies(wheels=Wheels("/w.tar", needed)).interpreter(wanted, True, RUN).path


def test_without_a_wheelhouse_the_newest_python_is_taken(host: Callable[..., None]) -> None:
    host(11, 13)
    assert Supplies().interpreter(None, True, RUN).path == "/usr/bin/python3.13"


def test_with_a_wheelhouse_its_python_is_taken(host: Callable[..., None]) -> None:
    host(11, 12, 13, glibc="2.41")
    assert choose() == "/usr/bin/python3.12"
    assert choose("python3.12") == "/usr/bin/python3.12"


def test_another_python_is_refused_naming_both(host: Callable[..., None]) -> None:
    host(11, 13, 13)
    with pytest.raises(WheelhouseProblem) as refusal:
        choose()
    said = str(refusal.value)
    assert "/w.tar is for Python 3.12 on x86_64 with glibc 2.34" in said
    assert "this host has Python 3.13.9 and 3.11.9 on x86_64" in said
    assert "make wheelhouse PYTHON=3.13 ARCH=x86_64" in said


def test_a_python_that_was_asked_for_must_be_the_one_of_the_wheelhouse(host: Callable[..., None]) -> None:
    host(12, 13)
    with pytest.raises(WheelhouseProblem, match=r"for Python 3\.12 .* has Python 3\.13\.9 "):
        choose("python3.13")
    with pytest.raises(PythonProblem, match=r"python3\.11, is not on this host"):
        choose("python3.11")


@pytest.mark.parametrize(
    ("different", "said"), [({"machine": "aarch64"}, "on aarch64 with"), ({"glibc": "2.28"}, "glibc 2.28")]
)
def test_another_machine_is_refused(host: Callable[..., None], different: dict[str, str], said: str) -> None:
    host(12, **different)
    with pytest.raises(WheelhouseProblem, match=said):
        choose()


def test_a_host_without_any_python_hears_what_to_install(host: Callable[..., None]) -> None:
    host()
    with pytest.raises(WheelhouseProblem, match=r"none that suits.*PYTHON=3\.12"):
        choose()


def test_a_transferred_wheelhouse_becomes_a_folder_and_no_index_is_asked(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "a.whl").write_bytes(b"wheel")
    manifest = Manifest("1.0", "lock", NEEDED, digests(str(tmp_path / "wheels")))
    with (tmp_path / "w.tar").open("wb") as stream:
        _wheelhouse.write(manifest, str(tmp_path / "wheels"), stream)
    folder = str(tmp_path / "laid")
    supply = Supplies(wheels=Wheels("/w.tar", NEEDED, str(tmp_path / "w.tar"))).lay_out(folder)
    assert digests(folder) == manifest.wheels
    assert "PIP_INDEX_URL" not in supply.environment
    for uv in (None, "/usr/bin/uv"):
        _create, *installs = Installer(uv, supply).commands("p", "r", "s")
        assert all({"--no-index", "--find-links", folder} <= set(command) for command in installs)


def test_a_wheelhouse_that_was_not_transferred_is_told(tmp_path: Path) -> None:
    with pytest.raises(WheelhouseProblem, match="not transferred"):
        Supplies(wheels=Wheels("/w.tar", NEEDED)).lay_out(str(tmp_path / "laid"))


def test_an_index_is_named_in_the_environment_alone() -> None:
    """It may hold a password, and arguments are seen by every user of the host."""
    supply = Supplies("https://user:canary@mirror/simple").lay_out("/nowhere")
    assert set(supply.environment.values()) == {"https://user:canary@mirror/simple"}
    for uv in (None, "/usr/bin/uv"):
        assert "canary" not in str(Installer(uv, supply).commands("p", "r", "s"))


def test_by_default_the_host_decides() -> None:
    assert Supplies().lay_out("/nowhere") == Supply()
    assert Supply().environment == {}
