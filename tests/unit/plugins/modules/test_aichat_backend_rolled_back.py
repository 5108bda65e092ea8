# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module aichat_backend goes back to a release, and asks a release about its settings."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.warnings import get_warning_messages

Host = Any  # of conftest.py
SixTimes = Callable[..., dict[str, Any]]
INI = "[program:aichat-backend]\ncommand=/usr/sbin/aichat-backend --env-only\n"


def test_six_times(host: Host, six_times: SixTimes) -> None:
    first = host.deploy("1.0")["release"]
    second = host.deploy("2.0")["release"]
    done = six_times(host.roll_back, host.everything)
    expected = {"version": "1.0", "release": first, "previous_release": second, "switched": True}
    assert {key: done[key] for key in expected} == expected
    assert f"current: {os.path.basename(second)}" in done["diff"][0]["before"]
    assert f"current: {os.path.basename(first)}" in done["diff"][0]["after"]
    assert host.current() == "1.0"
    answer = host.roll_back()
    assert (answer["switched"], answer["release"]) == (False, first)


def test_it_goes_back_to_what_was_in_use_and_not_to_what_was_installed_before(host: Host) -> None:
    for version in ("1.0", "2.0", "3.0"):
        host.deploy(version)
    host.deploy("1.0")
    host.roll_back()
    assert host.current() == "3.0"


def test_after_another_upgrade_there_is_a_way_back_again(host: Host) -> None:
    for version in ("1.0", "2.0"):
        host.deploy(version)
    host.roll_back()
    host.deploy("3.0")
    assert host.roll_back()["version"] == "1.0"


@pytest.mark.parametrize("wanted", ["1.0", "folder"])
def test_a_release_is_named_by_its_folder_or_its_version(host: Host, wanted: str) -> None:
    first = os.path.basename(host.deploy("1.0")["release"])
    host.deploy("2.0")
    host.deploy("3.0")
    name = first if wanted == "folder" else wanted
    assert host.roll_back(release=name)["switched"] is True
    assert host.current() == "1.0"
    assert host.roll_back(release=name)["changed"] is False


def test_a_version_of_two_releases_is_refused(host: Host) -> None:
    host.deploy("1.0")
    host.deploy("1.0", python="python3.11")
    assert "More than one release" in host.roll_back(release="1.0")["msg"]


@pytest.mark.parametrize("check", [True, False])
def test_nothing_to_go_back_to_is_refused(host: Host, check: bool) -> None:
    assert "to go back to in" in host.roll_back(check=check)["msg"]
    assert not host.root.exists()
    host.deploy("1.0")
    assert "is the only one there" in host.roll_back(check=check)["msg"]
    assert "There is no finished release 0.9" in host.roll_back(check=check, release="0.9")["msg"]
    assert host.current() == "1.0"


def test_a_release_that_was_interrupted_is_no_way_back(host: Host) -> None:
    first = host.deploy("1.0")["release"]
    host.deploy("2.0")
    os.unlink(os.path.join(first, "release.json"))
    assert "is the only one there" in host.roll_back()["msg"]


def test_a_release_that_no_longer_starts_is_not_gone_back_to(host: Host) -> None:
    python = Path(host.deploy("1.0")["release"], "bin", "python")
    host.deploy("2.0")
    python.write_text("#!/bin/sh\nexit 3\n")
    assert "does not start" in host.roll_back()["msg"]
    assert host.current() == "2.0"


def test_a_switch_that_was_interrupted_does_not_count(host: Host) -> None:
    for version in ("1.0", "2.0"):
        host.deploy(version)
    notes = host.root / "switches.json"
    notes.write_text(json.dumps([*json.loads(notes.read_text()), {"release": "3.0-abc", "way": "present"}]))
    assert host.roll_back()["version"] == "1.0"


def test_without_notes_the_order_of_installation_tells(host: Host) -> None:
    for version in ("1.0", "2.0", "3.0"):
        host.deploy(version)
    host.deploy("2.0")
    (host.root / "switches.json").unlink()
    assert host.roll_back()["version"] == "1.0"


def test_the_launcher_is_placed_again(host: Host) -> None:
    host.deploy("1.0")
    host.deploy("2.0")
    host.launcher.unlink()
    assert host.roll_back()["changed"] is True
    assert os.access(host.launcher, os.X_OK)


def test_a_release_to_go_back_to_belongs_to_going_back(host: Host) -> None:
    assert "means nothing" in host.deploy("1.0", release="0.9")["msg"]


def test_settings_that_the_release_refuses_switch_nothing(host: Host) -> None:
    host.deploy("1.0")
    answer = host.deploy("2.0", settings={"ini": INI + "; refuse\n"})
    assert "AICHAT_PORT: '0' is not allowed (the ini)" in answer["msg"]
    assert host.current() == "1.0"
    foretold = host.deploy("2.0", check=True, settings={"ini": INI + "; refuse\n"})
    assert foretold["msg"] == answer["msg"]
    host.deploy("2.0")
    assert "not allowed" in host.roll_back(settings={"ini": INI + "; refuse\n"})["msg"]
    assert host.current() == "2.0"


def test_settings_that_the_release_takes_are_told_without_secrets(host: Host) -> None:
    given = {"ini": INI + "environment=AICHAT_API_KEY=sk-canary-1\n", "environment": {"AICHAT_API_KEY": "sk-canary-2"}}
    answer = host.deploy("1.0", settings=given)
    assert answer["switched"] is True
    assert "warned with AICHAT_API_KEY=********" in get_warning_messages()
    assert "canary" not in json.dumps(answer)


def test_a_switch_that_is_undone_never_was(host: Host, six_times: SixTimes) -> None:
    """The way back leads to where it led before, and the launcher is whoever's it is."""
    for version in ("1.0", "2.0"):
        host.deploy(version)
    second = host.deploy("3.0")["previous_release"]
    host.launcher.write_text("somebody's")
    undo = functools.partial(host.run, state="undone", release=os.path.basename(second))
    answer = six_times(undo, host.everything)
    assert answer["switched"] is True
    assert f"current: {os.path.basename(second)}" in answer["diff"]["after"]
    assert host.current() == "2.0"
    assert host.launcher.read_text() == "somebody's"
    assert host.roll_back()["version"] == "1.0"


def test_the_first_switch_is_undone_to_none_and_its_release_is_no_way_back(host: Host) -> None:
    failed = os.path.basename(host.deploy("1.0")["release"])
    assert host.run(check=True, state="undone")["changed"] is True
    assert host.current() == "1.0"
    assert host.run(state="undone")["changed"] is True
    assert not os.path.lexists(host.root / "current")
    assert host.run(state="undone")["changed"] is False
    for _when in ("before the first that is healthy", "and after it"):
        answer = host.roll_back()
        assert f"none was in use before. To go to one all the same, name it; there is {failed}" in answer["msg"]
        host.deploy("2.0")
    assert host.roll_back(release=failed)["version"] == "1.0"


def test_a_release_that_is_gone_is_not_undone_to(host: Host) -> None:
    host.deploy("1.0")
    assert "There is no finished release 0.9" in host.run(state="undone", release="0.9")["msg"]
    assert host.current() == "1.0"
