# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module aichat_backend installs and removes releases."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.warnings import get_warning_messages
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils import _deployment
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._atomic_file import FileProblem
from ansible_collections.percona.pmm_ai_chat.plugins.modules import aichat_backend

Host = Any  # of conftest.py
SixTimes = Callable[..., dict[str, Any]]


def versions(host: Host) -> list[str]:
    return sorted(name.partition("-")[0] for name in os.listdir(host.root / "releases"))


def test_six_times(host: Host, six_times: SixTimes) -> None:
    done = six_times(functools.partial(host.deploy, "1.0"), host.everything)
    assert (done["installed"], done["switched"], done["releases_removed"]) == (True, True, [])
    assert [diff["before_header"] for diff in done["diff"]] == [str(host.root), str(host.launcher)]
    assert f"current: {os.path.basename(done['release'])}" in done["diff"][0]["after"]
    assert os.readlink(host.root / "current") == f"releases/{os.path.basename(done['release'])}"
    assert os.access(host.launcher, os.X_OK)
    answer = host.deploy("1.0")
    assert (answer["installed"], answer["switched"]) == (False, False)
    assert answer["previous_release"] == answer["release"]


def test_six_times_absent(host: Host, six_times: SixTimes) -> None:
    release = host.deploy("1.0")["release"]
    done = six_times(functools.partial(host.run, state="absent"), host.everything)
    assert os.path.basename(release) in done["diff"]["before"]
    assert done["diff"]["after"] == ""
    assert (host.root.exists(), host.launcher.exists()) == (False, False)


def test_check_mode_touches_nothing_on_a_fresh_host(host: Host) -> None:
    host.deploy("1.0", check=True)
    assert not host.root.exists()
    assert not host.launcher.exists()


def test_without_the_archive_it_asks_for_it(host: Host) -> None:
    shipment = host.content("1.0")
    del shipment["archive"]
    assert host.run(shipment=shipment)["archive_needed"] is True
    host.deploy("1.0")
    assert host.run(shipment=shipment)["changed"] is False


def test_an_upgrade_and_the_way_back(host: Host) -> None:
    first = host.deploy("1.0")["release"]
    second = host.deploy("2.0")
    assert (second["previous_release"], second["switched"]) == (first, True)
    back = host.deploy("1.0")
    assert (back["release"], back["installed"], back["switched"]) == (first, False, True)


def test_the_last_three_are_kept(host: Host) -> None:
    for version in ("1.0", "2.0", "3.0"):
        assert host.deploy(version)["releases_removed"] == []
    foretold = host.deploy("4.0", check=True)["releases_removed"]
    removed = host.deploy("4.0")["releases_removed"]
    assert foretold == removed
    assert [name.split("-")[0] for name in removed] == ["1.0"]
    assert versions(host) == ["2.0", "3.0", "4.0"]
    assert host.deploy("4.0")["changed"] is False


def test_releases_that_failed_go_before_those_that_were_in_use(host: Host) -> None:
    """However many deployments fail, the way back from what is in use stays."""
    host.deploy("1.0")
    healthy = os.path.basename(host.deploy("2.0")["release"])
    for version in ("3.0", "4.0", "5.0"):
        host.deploy(version)
        host.run(state="undone", release=healthy)
    assert versions(host) == ["1.0", "2.0", "5.0"]
    host.deploy("6.0")
    assert versions(host) == ["1.0", "2.0", "6.0"]


def test_a_release_that_was_refused_goes_before_those_that_were_in_use(host: Host) -> None:
    host.deploy("1.0")
    host.deploy("2.0")
    refused = {"ini": "[program:aichat-backend]\ncommand=/usr/sbin/aichat-backend\n; refuse\n", "environment": {}}
    assert "not allowed" in host.deploy("3.0", settings=refused)["msg"]
    host.deploy("4.0")
    assert versions(host) == ["1.0", "2.0", "4.0"]


def test_what_is_needed_to_go_back_stays_after_plays_that_were_killed(host: Host) -> None:
    """None of their switches was undone: all that is known to work is what was there before them."""
    healthy = os.path.basename(host.deploy("1.0")["release"])
    for version in ("2.0", "3.0", "4.0", "5.0"):
        host.deploy(version, needed_releases=[healthy])
    assert versions(host) == ["1.0", "4.0", "5.0"]
    assert host.run(state="undone", release=healthy)["changed"] is True


def test_fewer_than_two_cannot_be_kept(host: Host) -> None:
    assert "at least 2" in host.deploy("1.0", keep_releases=1)["msg"]


def test_an_interrupted_installation_is_done_again(host: Host) -> None:
    release = host.deploy("1.0")["release"]
    os.unlink(os.path.join(release, "release.json"))
    (host.root / ".work" / "service").mkdir(parents=True)
    assert host.deploy("1.0", check=True)["installed"] is True
    assert host.deploy("1.0")["installed"] is True
    assert not (host.root / ".work").exists()
    assert host.deploy("1.0")["changed"] is False


def test_leftovers_of_another_version_are_removed(host: Host) -> None:
    (host.root / "releases" / "0.9-abc").mkdir(parents=True)
    assert host.deploy("1.0")["releases_removed"] == ["0.9-abc"]


def test_a_release_that_does_not_start_is_not_used(host: Host) -> None:
    before = host.deploy("1.0")["release"]
    shipment = dict(host.content("2.0"), version="9.9")
    answer = host.run(shipment=shipment)
    assert "does not start" in answer["msg"]
    assert os.path.realpath(host.root / "current") == os.path.realpath(before)
    assert os.listdir(host.root / "releases") == [os.path.basename(before)]


def test_a_damaged_archive_is_not_used(host: Host) -> None:
    host.deploy("0.9")
    shipment = dict(host.content("1.0"), archive=host.content("2.0")["archive"])
    assert "damaged" in host.run(shipment=shipment)["msg"]
    assert [name.partition("-")[0] for name in os.listdir(host.root / "releases")] == ["0.9"]


def test_a_first_installation_that_fails_leaves_nothing(host: Host) -> None:
    shipment = dict(host.content("1.0"), archive=host.content("2.0")["archive"])
    assert "damaged" in host.run(shipment=shipment)["msg"]
    assert not host.root.exists()


def test_another_python_gets_a_release_of_its_own(host: Host) -> None:
    first = host.deploy("1.0")
    second = host.deploy("1.0", python="python3.11")
    assert second["release"] == first["release"] + "-py3.11.1"
    assert second["switched"] is True
    assert host.deploy("1.0", python="python3.11")["changed"] is False
    assert host.deploy("1.0")["changed"] is False
    assert host.deploy("1.0", python="python3.13")["release"] == first["release"]


def test_a_launcher_replaced_by_hand_is_shown_kept_and_placed_again(host: Host) -> None:
    host.deploy("1.0")
    host.launcher.write_bytes(b"\x7fELF canary")
    foretold = host.deploy("1.0", check=True)
    assert (foretold["changed"], foretold["switched"]) == (True, False)
    assert "another program: 11 bytes" in foretold["diff"][1]["before"]
    assert "canary" not in json.dumps(foretold)
    replaced = host.deploy("1.0")
    assert replaced["changed"] is True
    assert host.launcher.read_bytes().startswith(b"#!/bin/sh")
    kept = Path(replaced["backup_file"])
    assert (kept.parent, kept.read_bytes()) == (host.launcher.parent, b"\x7fELF canary")
    assert any(f"It is now {kept}." in warning for warning in get_warning_messages())
    assert "backup_file" not in host.deploy("1.0")


def test_a_link_as_launcher_is_replaced_and_not_followed(host: Host) -> None:
    target = host.folder / "target"
    target.write_text("mine")
    host.launcher.symlink_to(target)
    assert host.deploy("1.0")["changed"] is True
    assert not host.launcher.is_symlink()
    assert target.read_text() == "mine"


@pytest.mark.parametrize("check", [True, False])
def test_a_launcher_without_a_folder_is_refused_before_anything_is_installed(host: Host, check: bool) -> None:
    answer = host.deploy("1.0.0", check=check, launcher=str(host.folder / "nowhere" / "aichat-backend"))
    assert "nowhere does not exist" in answer["msg"]
    assert not (host.root / "current").exists()


@pytest.mark.parametrize("check", [True, False])
def test_a_disk_without_room_is_told_by_check_mode_too(
    host: Host, monkeypatch: pytest.MonkeyPatch, check: bool
) -> None:
    monkeypatch.setattr(_deployment._installers, "ROOM_NEEDED", 1 << 80)
    assert "make room" in host.deploy("1.0", check=check)["msg"]
    assert not (host.root / "current").exists()


@pytest.mark.parametrize("check", [True, False])
def test_a_wheelhouse_for_another_host_is_refused_and_nothing_made(host: Host, check: bool) -> None:
    shipment = {**host.content("1.0"), "wheels": {"python": "3.12", "arch": "vax", "glibc": "2.34"}}
    answer = host.run(check=check, shipment=shipment, wheelhouse="/w.tar", python="python3.12")
    assert "/w.tar is for Python 3.12 on vax" in answer["msg"]
    assert not host.root.exists()


def test_a_release_that_is_there_needs_no_wheelhouse(host: Host) -> None:
    host.deploy("1.0")
    shipment = {**host.content("1.0"), "wheels": {"python": "3.12", "arch": "vax", "glibc": "2.34"}}
    assert host.run(shipment=shipment, wheelhouse="/w.tar")["changed"] is False


def test_an_index_does_not_show(host: Host) -> None:
    answer = host.deploy("1.0", index_url="https://user:canary@mirror/simple")
    assert answer["changed"] is True
    assert "canary" not in json.dumps(answer)


@pytest.mark.parametrize("state", ["present", "rolled_back"])
def test_a_launcher_of_a_package_is_refused_before_anything_is_made(
    host: Host, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    def refuse(path: str, run: object) -> None:
        raise FileProblem(f"{path} belongs to a package")

    monkeypatch.setattr(aichat_backend._launcher, "refuse_packaged", refuse)
    for check in (True, False):
        answer = host.run(check=check, state=state, shipment=host.content("1.0"))
        assert answer["msg"] == f"{host.launcher} belongs to a package"
    assert not host.root.exists()
    assert host.run(state="absent")["changed"] is False


def test_absent_leaves_a_foreign_launcher(host: Host) -> None:
    host.deploy("1.0")
    host.launcher.write_text("mine")
    assert host.run(state="absent")["changed"] is True
    assert host.launcher.read_text() == "mine"
