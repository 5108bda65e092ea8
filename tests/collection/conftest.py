"""The collection as a user gets it: built, and installed from the file, without network."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the collection from this tree."""
    output = tmp_path_factory.mktemp("build")
    galaxy("collection", "build", "--output-path", str(output), str(ROOT))
    (built,) = output.glob("percona-pmm_ai_chat-*.tar.gz")
    return built


@pytest.fixture(scope="session")
def names(tarball: Path) -> list[str]:
    """The files in it."""
    with tarfile.open(tarball) as archive:
        return [member.name for member in archive if member.isfile()]


@pytest.fixture(scope="session")
def installed(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install it into an empty folder."""
    collections = tmp_path_factory.mktemp("collections")
    galaxy("collection", "install", "--offline", "--collections-path", str(collections), str(tarball))
    return collections


def galaxy(*arguments: str) -> None:
    """Run ansible-galaxy."""
    program = Path(sys.executable).with_name("ansible-galaxy")
    found = subprocess.run([program, *arguments], check=False, capture_output=True, text=True, env=environment())
    assert found.returncode == 0, found.stdout + found.stderr


def environment(**more: str) -> dict[str, str]:
    """This process's environment without anything that points to a collection."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return {**inherited, **more}
