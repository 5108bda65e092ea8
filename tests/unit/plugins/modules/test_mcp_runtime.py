# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module mcp_runtime."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils import _mcp_runtime
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._interpreters import locate
from ansible_collections.percona.pmm_ai_chat.plugins.modules import mcp_runtime

Run = SixTimes = Callable[..., dict[str, Any]]


class Host:
    """A target in a temporary folder, to which archives of Node are shipped."""

    def __init__(self, folder: Path, archives: Any, run: Run) -> None:
        self.root, self.bin = folder / "opt" / "runtime", folder / "bin"
        self.archives = archives
        self.run = functools.partial(run, mcp_runtime, root=str(self.root), links=str(self.bin), part="node")

    def shipped(self, version: str) -> dict[str, str]:
        """An archive with this version of Node, as the action plugin ships it."""
        path = self.archives.pack(self.archives.node(self.archives.script(f"v{version}")), f"{version}.tar.gz")
        return {"digest": hashlib.sha256(version.encode()).hexdigest(), "archive": str(path)}

    def install(self, version: str, check: bool = False, **arguments: Any) -> dict[str, Any]:
        """Install it, or in check mode do as if."""
        shipment = {**self.shipped(version), **arguments.pop("shipment", {})}
        return self.run(check=check, archive="/controller/node", shipment=shipment, **arguments)

    def home(self, version: str) -> Path:
        return self.root / f"node-{self.shipped(version)['digest'][:12]}"

    def in_use(self) -> dict[str, str]:
        """Where the links lead."""
        return {path.name: os.readlink(path) for path in sorted(self.bin.iterdir())} if self.bin.exists() else {}

    def links_to(self, version: str) -> dict[str, str]:
        return {name: str(self.home(version) / "bin" / name) for name in ("node", "npm", "npx")}

    def homes(self) -> set[str]:
        return {path.name for path in self.root.iterdir()} - {".lock"} if self.root.exists() else set()


@pytest.fixture
def host(tmp_path: Path, archives: Any, run_module: Run) -> Host:
    return Host(tmp_path, archives, run_module)


def test_six_times(host: Host, six_times: SixTimes) -> None:
    done = six_times(functools.partial(host.install, "22.1.0"), lambda: (host.homes(), host.in_use()))
    assert done["version"] == "22.1.0"
    assert done["diff"]["before"] == ""
    assert f"{host.bin}/npx -> {host.home('22.1.0')}/bin/npx\n" in done["diff"]["after"]
    assert host.in_use() == host.links_to("22.1.0")
    assert host.install("22.1.0", shipment={"archive": None})["changed"] is False


def test_six_times_absent(host: Host, six_times: SixTimes) -> None:
    installed = host.install("22.1.0")
    done = six_times(functools.partial(host.run, state="absent"), lambda: (host.homes(), host.in_use()))
    assert (done["diff"]["before"], done["diff"]["after"]) == (installed["diff"]["after"], "")
    assert (host.in_use(), host.root.exists()) == ({}, False)


def test_without_the_archive_it_tells_what_the_archive_must_fit(host: Host) -> None:
    answer = host.install("22.1.0", shipment={"archive": None})
    assert answer["archive_wanted"]["machine"] == platform.machine()
    assert answer["archive_wanted"]["room"] > 0
    assert host.homes() == set()


def test_another_archive_takes_the_place_and_the_one_before_stays_beside_it(host: Host) -> None:
    host.install("20.0.0")
    host.install("21.0.0")
    done = host.install("22.0.0")
    assert done["replaced"] == str(host.home("21.0.0"))
    assert done["removed"] == [str(host.home("20.0.0"))]
    assert host.in_use() == host.links_to("22.0.0")
    assert host.homes() == {host.home("21.0.0").name, host.home("22.0.0").name}
    back = host.install("21.0.0", shipment={"archive": None})
    assert (back["changed"], back["replaced"]) == (True, str(host.home("22.0.0")))
    assert host.in_use() == host.links_to("21.0.0")


def test_parts_do_not_meddle_with_each_other(host: Host) -> None:
    host.install("22.0.0")
    uv = [host.archives.entry(f"uv-linux/{name}", host.archives.script("uv 0.13.9 (abc)")) for name in ("uv", "uvx")]
    shipment = {"digest": "f" * 64, "archive": str(host.archives.pack(uv, "uv.tar.gz"))}
    assert host.run(part="uv", archive="/controller/uv", shipment=shipment)["version"] == "0.13.9"
    assert host.in_use().keys() == {"node", "npm", "npx", "uv", "uvx"}
    host.run(part="uv", state="absent")
    assert host.in_use() == host.links_to("22.0.0")
    assert host.homes() == {host.home("22.0.0").name}


@pytest.mark.parametrize("place", ["file", "link"])
def test_a_program_of_the_operator_is_refused_and_stays(host: Host, place: str) -> None:
    host.bin.mkdir()
    own = host.bin / "npx"
    if place == "file":
        own.write_text("mine")
    else:
        own.symlink_to("/opt/node/bin/npx")
    answer = host.install("22.0.0", check=True)
    assert answer["failed"] is True
    assert f"{own} is there already and was not placed by this collection" in answer["msg"]
    assert host.run(state="absent")["changed"] is False
    assert own.is_symlink() or own.read_text() == "mine"


def test_what_an_interrupted_run_left_is_removed(host: Host) -> None:
    host.install("22.0.0")
    (host.root / ".work" / "half").mkdir(parents=True)
    assert host.install("22.0.0", check=True)["changed"] is True
    assert host.install("22.0.0")["changed"] is True
    assert host.homes() == {host.home("22.0.0").name}


@pytest.mark.parametrize("moment", ["version_of", "os.rename", "os.replace"])
def test_a_run_that_is_killed_at_any_moment_is_done_again(
    host: Host, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    host.install("20.0.0")

    class Killed(BaseException):
        pass

    def kill(*_arguments: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(f"{_mcp_runtime.__name__}.{moment}", kill)
        # Nothing is tidied up.
        patched.setattr(_mcp_runtime, "remove_tree", lambda path: None)
        with pytest.raises(Killed):
            host.install("22.0.0")
    assert host.in_use().items() >= host.links_to("20.0.0").items()
    host.install("22.0.0")
    assert host.in_use() == host.links_to("22.0.0")
    assert host.homes() == {host.home("20.0.0").name, host.home("22.0.0").name}


def test_what_was_damaged_is_installed_again(host: Host) -> None:
    host.install("22.0.0")
    (host.home("22.0.0") / "bin/node").unlink()
    assert "archive_wanted" in host.install("22.0.0", shipment={"archive": None})
    host.install("22.0.0")
    assert (host.home("22.0.0") / "bin/node").exists()


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("echo v16.20.2", "Node.js 16.20.2 is too old for tool servers: take 18 or newer"),
        (
            "echo version GLIBC_2.28 not found >&2; exit 1",
            "does not run on this host (exit status 1), so it is not used",
        ),
        ("echo something else", "does not run on this host (exit status 0)"),
    ],
)
def test_what_does_not_run_here_is_not_linked(host: Host, program: str, said: str) -> None:
    host.install("20.0.0")
    path = host.archives.pack(host.archives.node(f"#!/bin/sh\n{program}\n".encode()), "bad.tar.gz")
    answer = host.install("22.0.0", shipment={"archive": str(path)})
    assert answer["failed"] is True
    assert said in answer["msg"]
    assert host.in_use() == host.links_to("20.0.0")
    assert host.homes() == {host.home("20.0.0").name}


def test_what_cannot_be_started_at_all_is_told(host: Host) -> None:
    path = host.archives.pack(host.archives.node(host.archives.elf()), "bad.tar.gz")
    answer = host.install("22.0.0", shipment={"archive": str(path)})
    assert "Node.js of the archive cannot be started on this host" in answer["msg"]
    assert host.homes() == set()


def test_a_user_that_is_not_there_is_told(host: Host) -> None:
    assert host.install("22.0.0", user="nobody-of-that-name")["msg"].startswith("There is no user")


def test_its_python_is_none_for_the_service(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the next play would build the service on it, and the one after its removal would find that broken."""
    program = host.archives.entry("python/bin/python3.13", host.archives.script("Python 3.13.9"))
    shipment = {"digest": "a" * 64, "archive": str(host.archives.pack([program], "python.tar.gz"))}
    host.run(part="python", archive="/controller/python", shipment=shipment)
    monkeypatch.setenv("PATH", str(host.bin))
    assert locate("python3.13") != str(host.bin / "python3.13")
    assert locate(str(host.bin / "python3.13")) == str(host.bin / "python3.13")
