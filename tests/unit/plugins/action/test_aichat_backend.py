# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action plugin: looks first, transfers only when the host lacks the release."""

from __future__ import annotations

import copy
import os
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.percona.pmm_ai_chat.plugins.action import aichat_backend
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._service_source import digest_of, version_of
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._wheelhouse import (
    Manifest,
    Platform,
    lock_digest,
    write,
)

SERVICE = os.path.join(aichat_backend.COLLECTION, "service")


class Remote:
    """What the module is asked, and what it answers."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []
        self.transferred: list[tuple[list[str], str]] = []
        self.folder: str | None = None

    def execute(self, module_name: str, module_args: dict[str, Any], task_vars: object) -> dict[str, Any]:
        assert module_name == "percona.pmm_ai_chat.aichat_backend"
        self.asked.append(copy.deepcopy(module_args))
        return self.answers.pop(0)

    def transfer(self, local: str, remote: str) -> None:
        assert Path(local).is_file()
        with tarfile.open(local) as archive:
            self.transferred.append((archive.getnames(), remote))


@pytest.fixture
def act(monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(remote: Remote, **arguments: Any) -> dict[str, Any]:
        action = aichat_backend.ActionModule.__new__(aichat_backend.ActionModule)
        shell = SimpleNamespace(tmpdir=None, join_path=os.path.join)
        action._task = SimpleNamespace(args=arguments)
        action._connection = SimpleNamespace(_shell=shell)
        monkeypatch.setattr(ActionBase, "run", lambda self, tmp, task_vars: {})
        monkeypatch.setattr(action, "_execute_module", remote.execute)
        monkeypatch.setattr(action, "_make_tmp_path", lambda: setattr(shell, "tmpdir", "/remote"))
        monkeypatch.setattr(action, "_transfer_file", remote.transfer)
        monkeypatch.setattr(action, "_fixup_perms2", lambda paths: None)
        return action.run(task_vars={})

    return run


def test_the_bundled_service_is_found() -> None:
    assert Path(SERVICE, "src", "aichat_backend", "__init__.py").is_file()


def test_nothing_is_transferred_when_the_release_is_there(act: Any) -> None:
    remote = Remote({"changed": False})
    assert act(remote, python="python3.13") == {"changed": False}
    assert remote.transferred == []
    assert remote.asked == [
        {"python": "python3.13", "shipment": {"version": version_of(SERVICE), "digest": digest_of(SERVICE)}}
    ]


def test_the_archive_follows_when_it_is_asked_for(act: Any) -> None:
    remote = Remote({"changed": False, "archive_needed": True}, {"changed": True})
    assert act(remote) == {"changed": True}
    names, place = remote.transferred[0]
    assert place == "/remote/service.tar.gz"
    assert {"pyproject.toml", "requirements.txt", "src/aichat_backend/__init__.py"} <= set(names)
    assert remote.asked[1]["shipment"] == dict(remote.asked[0]["shipment"], archive=place)


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Path:
    return made_for(tmp_path, lock_digest(SERVICE))


def made_for(folder: Path, lock: str) -> Path:
    path = folder / "wheelhouse.tar"
    with path.open("wb") as stream:
        write(Manifest("9.9", lock, Platform("3.12", "x86_64", "2.34"), {}), str(folder), stream)
    return path


def test_a_wheelhouse_is_described_and_transferred_when_it_is_needed(act: Any, wheelhouse: Path) -> None:
    remote = Remote({"changed": False, "archive_needed": True}, {"changed": True})
    act(remote, wheelhouse=str(wheelhouse))
    needed = {"python": "3.12", "arch": "x86_64", "glibc": "2.34"}
    assert remote.asked[0]["shipment"]["wheels"] == needed
    assert remote.asked[1]["shipment"]["wheels"] == {**needed, "archive": "/remote/wheelhouse.tar"}
    assert [place for _names, place in remote.transferred] == ["/remote/service.tar.gz", "/remote/wheelhouse.tar"]


def test_a_wheelhouse_stays_here_when_the_release_is_there(act: Any, wheelhouse: Path) -> None:
    remote = Remote({"changed": False})
    assert act(remote, wheelhouse=str(wheelhouse)) == {"changed": False}
    assert remote.transferred == []


def test_a_relative_wheelhouse_counts_from_the_folder_of_the_command(
    act: Any, wheelhouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(wheelhouse.parent)
    remote = Remote({"changed": False})
    act(remote, wheelhouse=wheelhouse.name)
    assert remote.asked[0]["wheelhouse"] == str(wheelhouse)


def test_a_wheelhouse_of_another_lock_is_refused_before_the_host_is_asked(act: Any, tmp_path: Path) -> None:
    answer = act(Remote(), wheelhouse=str(made_for(tmp_path, "0" * 64)))
    assert answer["failed"] is True
    assert "aichat-backend 9.9 (lock 000000000000)" in answer["msg"]
    assert f"version {version_of(SERVICE)} is to be installed (lock {lock_digest(SERVICE)[:12]})" in answer["msg"]
    assert "make wheelhouse PYTHON=3.12 ARCH=x86_64" in answer["msg"]


def test_a_missing_wheelhouse_is_told(act: Any, tmp_path: Path) -> None:
    answer = act(Remote(), wheelhouse=str(tmp_path / "none.tar"))
    assert answer["failed"] is True
    assert "There is no wheelhouse" in answer["msg"]


def test_absent_needs_no_source(act: Any) -> None:
    remote = Remote({"changed": True})
    act(remote, state="absent", source="/no/such/folder")
    assert remote.asked == [{"state": "absent", "source": "/no/such/folder"}]


def test_a_wrong_source_is_told(act: Any, tmp_path: Path) -> None:
    answer = act(Remote(), source=str(tmp_path))
    assert answer["failed"] is True
    assert "On the controller" in answer["msg"]
