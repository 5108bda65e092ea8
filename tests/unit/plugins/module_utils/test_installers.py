# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a release is built, and what is said when that fails."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path

import pytest
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils import _installers
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._installers import (
    Installer,
    InstallProblem,
    build,
    check_room,
    check_start,
    clean_environment,
    explain,
)

PIP, UV = Installer(None), Installer("/usr/local/bin/uv")


@pytest.mark.parametrize("installer", [PIP, UV])
def test_dependencies_come_by_hash_then_the_service_alone(installer: Installer) -> None:
    create, locked, service = installer.commands("/usr/bin/python3.13", "/r", "/w/service")
    assert "/usr/bin/python3.13" in create
    assert create[-1] == "/r"
    assert locked[-3:] == ["--require-hashes", "-r", "/w/service/requirements.txt"]
    assert service[-3:] == ["--no-deps", "--no-build-isolation", "/w/service"]


def test_both_compile() -> None:
    assert all("--compile" in command for command in PIP.commands("p", "r", "s")[1:])
    assert all("--compile-bytecode" in command for command in UV.commands("p", "r", "s")[1:])


def test_uv_never_fetches_a_python_of_its_own() -> None:
    assert "--no-python-downloads" in UV.commands("p", "r", "s")[0]


def test_the_steps_run_in_order_and_stop_at_the_first_failure() -> None:
    ran = []

    def run(command: list[str], cwd: str) -> tuple[int, str, str]:
        ran.append((command, cwd))
        return (0 if len(ran) < 2 else 1), "", "it broke"

    with pytest.raises(InstallProblem, match="it broke"):
        build(PIP, "python3", "/r", "/w/service", run)
    assert [command for command, _cwd in ran] == PIP.commands("python3", "/r", "/w/service")[:2]
    assert {cwd for _command, cwd in ran} == {"/w"}


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        ("OSError: [Errno 28] No space left on device", "The disk is full"),
        ("THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "its hash differs"),
        ("Hash mismatch for `x`", "its hash differs"),
        ("SSLCertVerificationError: CERTIFICATE_VERIFY_FAILED Max retries exceeded", "trust store"),
        ("NewConnectionError: [Errno 111] Connection refused", "cannot be reached"),
        ("Temporary failure in name resolution", "cannot be reached"),
        ("something else", r"pip ended with|python -I -m pip ended with status 3"),
    ],
)
def test_failures_have_one_cause(output: str, cause: str) -> None:
    with pytest.raises(InstallProblem, match=cause):
        raise InstallProblem(explain("pip", ["python", "-I", "-m", "pip", "install"], 3, output))


def test_each_tool_has_its_own_remedy() -> None:
    assert "PIP_INDEX_URL" in explain("pip", [], 1, "Network is unreachable")
    assert "UV_DEFAULT_INDEX" in explain("uv", [], 1, "dns error")


def test_credentials_of_an_index_do_not_show() -> None:
    assert "canary" not in explain("pip", [], 1, "Looking in indexes: https://user:canary@index/simple")


def test_only_the_end_of_a_long_output_shows() -> None:
    assert explain("pip", [], 1, "\n".join(f"line {number}" for number in range(100))).count("\n") == 15


def test_what_would_mislead_the_build_is_dropped() -> None:
    given = {
        "PATH": "/bin",
        "PYTHONPATH": "/x",
        "VIRTUAL_ENV": "/x",
        "PIP_TARGET": "/x",
        "PIP_USER": "1",
        "UV_PROJECT_ENVIRONMENT": "/x",
        "PIP_INDEX_URL": "http://mirror",
        "UV_DEFAULT_INDEX": "http://mirror",
        "HTTPS_PROXY": "http://proxy",
    }
    kept = clean_environment(given, "/w/tmp")
    assert kept == {
        "PATH": "/bin",
        "PIP_INDEX_URL": "http://mirror",
        "UV_DEFAULT_INDEX": "http://mirror",
        "HTTPS_PROXY": "http://proxy",
        "TMPDIR": "/w/tmp",
        "LC_ALL": "C.UTF-8",
        "UV_SYSTEM_CERTS": "1",
    }
    assert clean_environment({"UV_SYSTEM_CERTS": "0"}, "/t")["UV_SYSTEM_CERTS"] == "0"


def test_a_full_disk_is_told_before_the_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = namedtuple("usage", "total used free")
    asked = []

    def disk_usage(path: str) -> tuple[int, int, int]:
        asked.append(path)
        return usage(1 << 40, 1 << 40, 5 << 20)

    monkeypatch.setattr(_installers.shutil, "disk_usage", disk_usage)
    with pytest.raises(InstallProblem, match="5 MiB are free"):
        check_room(str(tmp_path / "not" / "yet"))
    assert asked == [str(tmp_path)]


@pytest.fixture
def release(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    return tmp_path


def _python(release: Path, script: str, mode: int = 0o755) -> None:
    (release / "bin" / "python").write_text(f"#!/bin/sh\n{script}\n")
    (release / "bin" / "python").chmod(mode)


def test_a_release_that_starts_is_fine(release: Path) -> None:
    _python(release, 'echo "aichat-backend 1.2.3"')
    check_start(str(release), "1.2.3", None)


@pytest.mark.parametrize("script", ["echo boom >&2; exit 1", "echo boom 9.9.9"])
def test_a_release_that_does_not_start_is_told(release: Path, script: str) -> None:
    _python(release, script)
    with pytest.raises(InstallProblem, match=r"(?s)does not start.*boom"):
        check_start(str(release), "1.2.3", None)


def test_a_python_that_the_user_cannot_run_is_told(release: Path) -> None:
    _python(release, "true", mode=0o644)
    with pytest.raises(InstallProblem, match="must be readable for all users"):
        check_start(str(release), "1.2.3", None)
