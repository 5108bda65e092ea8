"""The commands of the manual that install the collection, newer ones over it, and older ones again."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from galaxy_server import NAME, NAMESPACE, galaxy_server

from conftest import ROOT, environment, galaxy

MANUAL = (ROOT / "docs" / "operations.md").read_text()
UPGRADE = "ansible-galaxy collection install --upgrade percona.pmm_ai_chat"
NEWER = "99.0.0"

OfVersion = Callable[[str], Path]


@pytest.fixture
def of_version(tarball: Path, tmp_path: Path) -> OfVersion:
    """Makes the same collection of another version."""

    def build(version: str) -> Path:
        folder = tmp_path / version
        with tarfile.open(tarball) as archive:
            archive.extractall(folder, filter="data")
        for made in ("MANIFEST.json", "FILES.json"):
            (folder / made).unlink()
        about = re.sub(r"(?m)^version: .*$", f"version: {version}", (ROOT / "galaxy.yml").read_text())
        (folder / "galaxy.yml").write_text(about)
        galaxy("collection", "build", "--output-path", str(tmp_path), str(folder))
        return tmp_path / f"{NAMESPACE}-{NAME}-{version}.tar.gz"

    return build


def typed(command: str, collections: Path, server: str) -> None:
    """Type a command of the manual."""
    assert command in MANUAL
    _program, *arguments = shlex.split(command)
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-galaxy"), *arguments],
        check=False,
        capture_output=True,
        text=True,
        env=environment(
            ANSIBLE_HOME=str(collections.with_name("home")),
            ANSIBLE_COLLECTIONS_PATH=str(collections),
            ANSIBLE_GALAXY_SERVER=f"{server}/api/",
        ),
    )
    assert done.returncode == 0, done.stdout + done.stderr


def installed_version(collections: Path) -> str:
    manifest = collections / "ansible_collections" / NAMESPACE / NAME / "MANIFEST.json"
    return str(json.loads(manifest.read_text())["collection_info"]["version"])


def test_the_collection_is_upgraded_and_taken_back_by_the_commands_of_the_manual(
    of_version: OfVersion, tmp_path: Path
) -> None:
    collections = tmp_path / "collections"
    (earlier,) = re.findall(r"`(ansible-galaxy collection install percona\.pmm_ai_chat:==[\d.]+ --force)`", MANUAL)
    version = earlier.partition("==")[2].split()[0]
    with galaxy_server() as server:
        server.publish(version, of_version(version))
        typed(UPGRADE, collections, server.url)
        assert installed_version(collections) == version

        server.publish(NEWER, of_version(NEWER))
        typed(UPGRADE, collections, server.url)
        assert installed_version(collections) == NEWER

        typed(earlier, collections, server.url)
        assert installed_version(collections) == version
