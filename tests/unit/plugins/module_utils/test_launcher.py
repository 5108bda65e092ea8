# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The launcher starts the release that is current at that moment."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils import _launcher


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
