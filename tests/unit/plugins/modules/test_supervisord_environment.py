# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module supervisord_environment."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._supervisord import Supervisord, SupervisordProblem
from ansible_collections.percona.pmm_ai_chat.plugins.modules import supervisord_environment

Run = SixTimes = Callable[..., dict[str, Any]]
INI = '[program:chat]\n; mine\nenvironment=PORT="1",API_KEY="old-canary"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "chat.ini"
    file.write_text(INI)
    file.chmod(0o640)
    return file


@pytest.fixture
def edit(run_module: Run, file: Path) -> Run:
    return functools.partial(
        run_module, supervisord_environment, path=str(file), program="chat", validate_configuration=False
    )


def test_six_times(edit: Run, file: Path, six_times: SixTimes) -> None:
    def look() -> tuple[str, int, int]:
        return file.read_text(), file.stat().st_ino, file.stat().st_mtime_ns

    done = six_times(functools.partial(edit, environment={"PORT": 2, "NEW": "x", "API_KEY": ""}), look)
    assert (done["keys_set"], done["keys_removed"]) == (["NEW", "PORT"], ["API_KEY"])
    after = '[program:chat]\n; mine\nenvironment=PORT="2",NEW="x"\n'
    assert (file.read_text(), oct(file.stat().st_mode & 0o777)) == (after, "0o640")
    shown = {"before": INI.replace("old-canary", "********"), "after": after}
    assert done["diff"] == {"before_header": str(file), "after_header": str(file), **shown}


def test_the_environment_is_told_without_secrets(edit: Run) -> None:
    answer = edit(environment={"PORT": "1"})
    assert answer["environment"] == {"PORT": "1", "API_KEY": "********"}


def test_the_environment_is_told_without_the_credentials_in_addresses(edit: Run) -> None:
    answer = edit(environment={"HTTPS_PROXY": "http://user:canary@proxy:3128"})
    assert answer["environment"]["HTTPS_PROXY"] == "http://********@proxy:3128"


def test_neither_old_nor_new_secrets_show(edit: Run) -> None:
    answer = edit(environment={"API_KEY": "new-canary", "MODEL": "visible"})
    assert answer["changed"] is True
    assert "canary" not in json.dumps(answer)
    assert "visible" in json.dumps(answer["diff"])


def test_a_refused_value_does_not_show(edit: Run, file: Path) -> None:
    answer = edit(environment={"PORT": "canary\nline"})
    assert "PORT" in answer["msg"]
    assert "canary" not in json.dumps(answer)
    assert file.read_text() == INI


def test_a_configuration_that_supervisord_refuses_stays_out(
    edit: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Supervisord, run: object, target: str, candidate: str) -> None:
        assert 'PORT="2"' in Path(candidate).read_text()
        raise SupervisordProblem(f"{target} is bad")

    monkeypatch.setattr(
        supervisord_environment, "discover", lambda configuration: Supervisord("/p", str(configuration), {})
    )
    monkeypatch.setattr(Supervisord, "check", refuse)
    answer = edit(environment={"PORT": "2"}, validate_configuration=True)
    assert answer["msg"] == f"Nothing was changed in {file}. {file} is bad"
    assert file.read_text() == INI


def test_a_missing_file_is_told(edit: Run, file: Path) -> None:
    file.unlink()
    assert "does not exist: place it first" in edit()["msg"]


def test_another_encoding_is_told(edit: Run, file: Path) -> None:
    file.write_bytes(b"\xff")
    assert "not UTF-8" in edit()["msg"]
