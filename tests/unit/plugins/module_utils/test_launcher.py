# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The launcher starts the release that is current at that moment."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils import _launcher
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._atomic_file import FileProblem


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "with blank"
    binaries = root / "releases" / "1" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "python").write_text('#!/bin/sh\necho "$0" "$@"\n')
    (binaries / "python").chmod(0o755)
    launcher = root / "launcher"
    launcher.write_bytes(_launcher.render(str(root / "current")))
    launcher.chmod(_launcher.MODE)
    return root


def test_it_resolves_the_link_and_passes_the_arguments(root: Path) -> None:
    (root / "current").symlink_to("releases/1")
    found = subprocess.run([root / "launcher", "--env-only", "a b"], capture_output=True, text=True, check=True)
    assert found.stdout == f"{root.resolve()}/releases/1/bin/python -I -m aichat_backend --env-only a b\n"


@pytest.fixture
def rpm(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A host with rpm; the dictionary says which file belongs to which package."""
    monkeypatch.setattr(_launcher.shutil, "which", lambda name: f"/usr/bin/{name}")
    return {}


def asking(owners: dict[str, str]) -> Callable[[list[str]], tuple[int, str, str]]:
    def run(command: list[str]) -> tuple[int, str, str]:
        assert command[0] == "/usr/bin/rpm"
        path = command[-1]
        return (0, f"{owners[path]}\n", "") if path in owners else (1, f"file {path} is not owned by any package\n", "")

    return run


def test_a_program_of_a_package_is_refused_with_the_choices(root: Path, rpm: dict[str, str]) -> None:
    path = str(root / "launcher")
    rpm[path] = "pmm-aichat-backend"
    with pytest.raises(FileProblem) as refusal:
        _launcher.refuse_packaged(path, asking(rpm))
    for word in (path, "package pmm-aichat-backend", "ai_chat_install_method: rpm", "dnf remove", "/usr/local/bin"):
        assert word in str(refusal.value)


def test_a_program_of_no_package_is_fine(root: Path, rpm: dict[str, str]) -> None:
    rpm["/usr/sbin/other"] = "other"
    _launcher.refuse_packaged(str(root / "launcher"), asking(rpm))


def test_a_host_without_rpm_is_not_asked(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_launcher.shutil, "which", lambda name: None)
    _launcher.refuse_packaged(str(root / "launcher"), asking({}))


def test_without_a_release_it_says_so(root: Path) -> None:
    found = subprocess.run([root / "launcher"], capture_output=True, text=True, check=False)
    assert found.returncode == 127
    assert "there is no release at" in found.stderr


def test_ours_is_recognised() -> None:
    assert _launcher.is_ours(_launcher.render("/opt/x/current"))
    assert not _launcher.is_ours(b"\x7fELF")
    assert not _launcher.is_ours(b"")


def test_a_foreign_program_is_described_and_not_printed() -> None:
    assert _launcher.describe(b"\x7fELF binary", "abc") == "(another program: 11 bytes, SHA-256 abc)\n"
    assert _launcher.describe(None, "abc") == ""
