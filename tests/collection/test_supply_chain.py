"""Nothing that reaches a server runs what it has just fetched unseen."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conftest import ROOT

FETCHED_AND_RUN = re.compile(rb"\b(curl|wget)\b[^|\n]*\|\s*(sudo\s+)?\S*\b(sh|bash|dash|zsh|python3?|perl)\b")


@pytest.mark.parametrize(
    "command",
    [b"curl -LsSf https://example.org/install.sh | sh", b"wget -qO- https://example.org | sudo /bin/bash -s x"],
)
def test_the_look_finds_it(command: bytes) -> None:
    assert FETCHED_AND_RUN.search(command)


def test_no_file_of_the_collection_or_of_its_workbench_does(installed: Path) -> None:
    files = [path for folder in (installed, ROOT / "dev") for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 100
    assert [str(path) for path in [*files, ROOT / "Makefile"] if FETCHED_AND_RUN.search(path.read_bytes())] == []


def test_every_package_that_a_server_installs_has_its_hashes() -> None:
    lines = (ROOT / "service" / "requirements.txt").read_text().replace("\\\n", " ").splitlines()
    packages = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    assert len(packages) > 20
    assert [line for line in packages if "--hash=sha256:" not in line] == []
