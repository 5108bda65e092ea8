# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The digest depends on names and contents of well-defined files, and on nothing else."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._service_source import (
    SourceProblem,
    digest_of,
    files_of,
    unpack_archive,
    version_of,
    write_archive,
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "service"
    package = root / "src" / "aichat_backend"
    (package / "api").mkdir(parents=True)
    (package / "__init__.py").write_text('"""Chat."""\n\n__version__ = "1.2.3"\n')
    (package / "api" / "__init__.py").write_text("")
    for name in ("README.md", "pyproject.toml", "requirements.txt"):
        (root / name).write_text(name)
    return root


def test_files(source: Path) -> None:
    assert files_of(str(source)) == [
        "README.md",
        "pyproject.toml",
        "requirements.txt",
        "src/aichat_backend/__init__.py",
        "src/aichat_backend/api/__init__.py",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "uv.lock",
        "chat.db",
        ".venv/bin/python",
        "src/.cache/x",
        "src/aichat_backend/.hidden",
        "src/aichat_backend/__pycache__/x.cpython-311.pyc",
        "src/aichat_backend.egg-info/PKG-INFO",
        "tests/test_x.py",
    ],
)
def test_by_products_do_not_count(source: Path, name: str) -> None:
    before = digest_of(str(source))
    (source / name).parent.mkdir(parents=True, exist_ok=True)
    (source / name).write_text("x")
    assert digest_of(str(source)) == before


def test_times_and_modes_do_not_count(source: Path) -> None:
    before, archive = digest_of(str(source)), _archive(source)
    os.utime(source / "pyproject.toml", (1, 1))
    (source / "pyproject.toml").chmod(0o755)
    assert digest_of(str(source)) == before
    assert _archive(source) == archive


@pytest.mark.parametrize("name", ["pyproject.toml", "requirements.txt", "src/aichat_backend/api/__init__.py"])
def test_contents_count(source: Path, name: str) -> None:
    before = digest_of(str(source))
    (source / name).write_text("changed")
    assert digest_of(str(source)) != before


def test_names_count(source: Path) -> None:
    before = digest_of(str(source))
    (source / "src/aichat_backend/api").rename(source / "src/aichat_backend/edge")
    assert digest_of(str(source)) != before


def test_version(source: Path) -> None:
    assert version_of(str(source)) == "1.2.3"


def test_a_missing_version_is_told(source: Path) -> None:
    (source / "src/aichat_backend/__init__.py").write_text("")
    with pytest.raises(SourceProblem, match="__version__"):
        version_of(str(source))


def test_another_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceProblem, match=r"has no README\.md"):
        files_of(str(tmp_path))


def test_links_are_refused(source: Path) -> None:
    (source / "src" / "link.py").symlink_to("/etc/passwd")
    with pytest.raises(SourceProblem, match="symbolic link"):
        digest_of(str(source))


def test_what_is_unpacked_has_the_same_digest(source: Path, tmp_path: Path) -> None:
    archive, target = tmp_path / "a.tar.gz", tmp_path / "target"
    archive.write_bytes(_archive(source))
    target.mkdir()
    unpack_archive(str(archive), str(target))
    assert digest_of(str(target)) == digest_of(str(source))


@pytest.mark.parametrize("name", ["../escaped", "/escaped", "src/../../escaped"])
def test_an_archive_cannot_write_elsewhere(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "bad.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.addfile(tarfile.TarInfo(name), io.BytesIO(b""))
    with pytest.raises(SourceProblem, match="not a plain file"):
        unpack_archive(str(archive), str(tmp_path / "target"))


def _archive(source: Path) -> bytes:
    stream = io.BytesIO()
    write_archive(str(source), stream)
    return stream.getvalue()
