# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A target for the module aichat_backend, with a build that is quick: the release's Python is a small script."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils import _deployment, _installers, _interpreters
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._interpreters import Interpreter
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._service_source import digest_of, write_archive
from ansible_collections.percona.pmm_ai_chat.plugins.modules import aichat_backend

Run = Callable[..., dict[str, Any]]

# Tells its version, and refuses an ini that says so; its last argument is the ini.
_PYTHON = """#!/bin/sh
for ini; do :; done
case "$*" in *" config "*)
  echo "warned with AICHAT_API_KEY=$AICHAT_API_KEY" >&2
  grep -q refuse "$ini" && { echo "AICHAT_PORT: '0' is not allowed ($ini)" >&2; exit 78; }
  exit 0
esac
echo aichat-backend VERSION
"""


class Host:
    """A target in a temporary folder."""

    def __init__(self, folder: Path, run: Run) -> None:
        self.folder = folder
        self.root = folder / "opt" / "aichat-backend"
        self.launcher = folder / "aichat-backend"
        self.run = functools.partial(
            run, aichat_backend, install_root=str(self.root), launcher=str(self.launcher), installer="pip"
        )

    def content(self, version: str) -> dict[str, str]:
        """Make the content of a version and ship it."""
        source = self.folder / "sources" / version
        package = source / "src" / "aichat_backend"
        if not source.exists():
            package.mkdir(parents=True)
            (package / "__init__.py").write_text(f'__version__ = "{version}"\n')
            for name in ("README.md", "pyproject.toml", "requirements.txt"):
                (source / name).write_text("")
        archive = self.folder / f"{version}.tar.gz"
        with archive.open("wb") as stream:
            write_archive(str(source), stream)
        return {"version": version, "digest": digest_of(str(source)), "archive": str(archive)}

    def deploy(self, version: str, check: bool = False, **arguments: Any) -> dict[str, Any]:
        return self.run(check=check, shipment=self.content(version), **arguments)

    def roll_back(self, check: bool = False, **arguments: Any) -> dict[str, Any]:
        return self.run(check=check, state="rolled_back", **arguments)

    def current(self) -> str:
        return os.path.basename(os.readlink(self.root / "current")).partition("-")[0]

    def everything(self) -> dict[str, int]:
        """Every path with its time, but for what is shipped."""
        shipped = ("sources", ".tar.gz")
        return {
            str(path): path.lstat().st_mtime_ns
            for path in self.folder.rglob("*")
            if not path.relative_to(self.folder).parts[0].endswith(shipped)
        }


@pytest.fixture
def host(tmp_path: Path, run_module: Run, monkeypatch: pytest.MonkeyPatch) -> Host:
    def build(installer: object, python: str, release: str, source: str, run: object) -> None:
        version = Path(source, "src", "aichat_backend", "__init__.py").read_text().split('"')[1]
        binary = Path(release, "bin", "python")
        binary.parent.mkdir(parents=True)
        binary.write_text(_PYTHON.replace("VERSION", version))
        binary.chmod(0o755)

    def choose(wanted: str | None, needs_venv: bool, run: object, distribution: str) -> Interpreter:
        minor = int((wanted or "python3.13").rpartition(".")[2])
        return Interpreter(f"/usr/bin/python3.{minor}", (3, minor), f"3.{minor}.1", True)

    for module in (_installers, _deployment._installers):
        monkeypatch.setattr(module, "build", build)
        monkeypatch.setattr(module, "ROOM_NEEDED", 0)
    monkeypatch.setattr(_interpreters, "choose", choose)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    return Host(tmp_path, run_module)
