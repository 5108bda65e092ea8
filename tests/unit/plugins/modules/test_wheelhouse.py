# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module wheelhouse, with a pip that makes what it was asked for."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils import _wheelhouse_making
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._wheelhouse import Platform, read_manifest
from ansible_collections.percona.pmm_ai_chat.plugins.modules import wheelhouse

Run = SixTimes = Callable[..., dict[str, Any]]


@pytest.fixture
def make(tmp_path: Path, run_module: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    package = tmp_path / "service" / "src" / "aichat_backend"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('__version__ = "1.0"\n')
    for name in ("README.md", "pyproject.toml", "requirements.txt"):
        (package.parents[1] / name).write_text("")

    def download(platform: Platform, locked: str, folder: str, scratch: str, run: object) -> None:
        Path(folder, f"a-1-py{platform.python}.whl").write_text(locked)

    monkeypatch.setattr(_wheelhouse_making, "download", download)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    return functools.partial(
        run_module, wheelhouse, source=str(tmp_path / "service"), dest=str(tmp_path / "out"), python="3.12"
    )


def test_six_times(make: Run, tmp_path: Path, six_times: SixTimes) -> None:
    out = tmp_path / "out"

    def look() -> list[tuple[str, int]]:
        return [(path.name, path.stat().st_mtime_ns) for path in out.iterdir()] if out.exists() else []

    done = six_times(make, look, told_later=["wheels"])
    assert done["path"] == str(out / "aichat-backend-1.0-wheelhouse-py3.12-x86_64.tar")
    assert os.listdir(out) == [os.path.basename(done["path"])]
    assert done["wheels"] == make(check=True)["wheels"] == ["a-1-py3.12.whl"]


def test_check_mode_makes_nothing(make: Run, tmp_path: Path) -> None:
    make(check=True)
    assert not (tmp_path / "out").exists()


def test_it_says_what_it_is_for(make: Run) -> None:
    manifest = read_manifest(make(arch="aarch64", glibc="2.28")["path"])
    assert (manifest.version, manifest.platform) == ("1.0", Platform("3.12", "aarch64", "2.28"))


def test_another_lock_makes_it_anew(make: Run, tmp_path: Path) -> None:
    before = make()["lock"]
    (tmp_path / "service" / "requirements.txt").write_text("more\n")
    answer = make()
    assert answer["changed"] is True
    assert answer["lock"] != before


def test_a_damaged_one_is_made_anew(make: Run) -> None:
    path = Path(make()["path"])
    path.write_bytes(path.read_bytes()[:600])
    assert make()["changed"] is True
    assert make()["changed"] is False


def test_wrong_values_are_told(make: Run, tmp_path: Path) -> None:
    assert "glibc is 'new'" in make(glibc="new")["msg"]
    assert "not the source of the service" in make(source=str(tmp_path))["msg"]
