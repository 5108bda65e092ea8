# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action plugin of mcp_runtime: looks at the host, then at the archive, and transfers it last."""

from __future__ import annotations

import copy
import os
import platform
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.percona.pmm_ai_chat.plugins.action import mcp_runtime
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._mcp_archive import digest_of

WANTED = {"changed": True, "archive_wanted": {"machine": platform.machine(), "room": 1 << 30}}


class Remote:
    """What the module is asked, and what it answers."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = [copy.deepcopy(answer) for answer in answers]
        self.asked: list[dict[str, Any]] = []
        self.transferred: list[tuple[str, str]] = []

    def execute(self, module_name: str, module_args: dict[str, Any], task_vars: object) -> dict[str, Any]:
        assert module_name == "percona.pmm_ai_chat.mcp_runtime"
        self.asked.append(copy.deepcopy(module_args))
        return self.answers.pop(0)


@pytest.fixture
def act(monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(remote: Remote, check: bool = False, **arguments: Any) -> dict[str, Any]:
        action = mcp_runtime.ActionModule.__new__(mcp_runtime.ActionModule)
        shell = SimpleNamespace(tmpdir=None, join_path=os.path.join)
        action._task = SimpleNamespace(args={"part": "node", **arguments}, check_mode=check)
        action._connection = SimpleNamespace(_shell=shell)
        monkeypatch.setattr(ActionBase, "run", lambda self, tmp, task_vars: {})
        monkeypatch.setattr(action, "_execute_module", remote.execute)
        monkeypatch.setattr(action, "_make_tmp_path", lambda: setattr(shell, "tmpdir", "/remote"))
        monkeypatch.setattr(action, "_transfer_file", lambda local, there: remote.transferred.append((local, there)))
        monkeypatch.setattr(action, "_fixup_perms2", lambda paths: None)
        return action.run(task_vars={})

    return run


@pytest.fixture
def archive(archives: Any) -> Path:
    return archives.pack(archives.node(archives.elf()))


def test_nothing_is_transferred_when_it_is_there(act: Any, archive: Path) -> None:
    remote = Remote({"changed": False})
    assert act(remote, archive=str(archive)) == {"changed": False}
    assert remote.transferred == []
    assert remote.asked[0]["shipment"] == {"digest": digest_of(str(archive))}


def test_the_archive_follows_when_it_is_wanted(act: Any, archive: Path) -> None:
    remote = Remote(WANTED, {"changed": True})
    assert act(remote, archive=str(archive)) == {"changed": True}
    assert remote.transferred == [(str(archive), "/remote/archive")]
    assert remote.asked[1]["shipment"] == {"digest": digest_of(str(archive)), "archive": "/remote/archive"}


def test_check_mode_transfers_nothing(act: Any, archive: Path) -> None:
    remote = Remote(WANTED)
    assert act(remote, check=True, archive=str(archive)) == {"changed": True}
    assert remote.transferred == []


def test_a_relative_path_counts_from_the_folder_of_the_command(
    act: Any, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(archive.parent)
    remote = Remote({"changed": False})
    act(remote, archive=archive.name, sha256=digest_of(str(archive)).upper())
    assert remote.asked[0]["archive"] == str(archive)


def test_another_digest_than_expected_is_refused_before_the_host_is_asked(act: Any, archive: Path) -> None:
    answer = act(Remote(), archive=str(archive), sha256="0" * 64)
    assert answer["failed"] is True
    assert f"has the SHA-256 digest {digest_of(str(archive))}, and {'0' * 64} was expected" in answer["msg"]


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("host", "said"),
    [
        ({"machine": "riscv64", "room": 1 << 30}, f"is for {platform.machine()}, and this host is riscv64"),
        ({"machine": platform.machine(), "room": 10}, "needs 0 MiB on the host, and 0 are free"),
    ],
)
def test_what_does_not_fit_the_host_is_not_transferred(
    act: Any, archive: Path, host: dict[str, Any], said: str, check: bool
) -> None:
    remote = Remote({"changed": True, "archive_wanted": host})
    answer = act(remote, check=check, archive=str(archive))
    assert answer["failed"] is True
    assert said in answer["msg"]
    assert remote.transferred == []


def test_the_wrong_archive_is_not_transferred(act: Any, archives: Any) -> None:
    remote = Remote(WANTED)
    answer = act(remote, archive=str(archives.pack([archives.entry("uv/uv", archives.elf())])))
    assert "On the controller: " in answer["msg"]
    assert "is no archive of Node.js" in answer["msg"]
    assert remote.transferred == []


def test_a_missing_archive_is_told(act: Any, tmp_path: Path) -> None:
    assert "There is no archive" in act(Remote(), archive=str(tmp_path / "none"))["msg"]


def test_absent_needs_no_archive(act: Any) -> None:
    remote = Remote({"changed": True})
    assert act(remote, state="absent") == {"changed": True}
    assert remote.asked == [{"part": "node", "state": "absent"}]
