# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which releases stay, by what they were in use for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._releases import Release, ReleaseStore
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._switches import BACK, FORWARD, Switches

Make = Callable[[str], Switches]


@pytest.fixture
def installed(tmp_path: Path) -> Make:
    """Releases of one letter each, the oldest first."""

    def make(names: str) -> Switches:
        store = ReleaseStore(str(tmp_path / "opt"))
        for moment, name in enumerate(names):
            binaries = Path(store.path(name)) / "bin"
            binaries.mkdir(parents=True)
            (binaries / "python").touch(mode=0o755)
            store.finish(Release(name, "1.0", name * 8, "/usr/bin/python3", "3.13.5", "uv", moment))
        return Switches(store)

    return make


def switch(switches: Switches, name: str, way: str = FORWARD) -> None:
    switches.note(name, way)
    switches._store.switch(name)


def test_without_notes_the_oldest_are_surplus_and_pinned_ones_stay(installed: Make) -> None:
    switches = installed("abcd")
    assert switches.surplus(3, {"d"}) == ["a"]
    assert switches.surplus(3, {"d", "a"}) == ["b"]
    assert switches.surplus(2, {"d"}) == ["a", "b"]
    assert switches.surplus(4, set()) == []


def test_what_was_in_use_the_longest_ago_goes_before_what_was_installed_before_it(installed: Make) -> None:
    switches = installed("abcd")
    for name in "abcad":
        switch(switches, name)
    assert switches.surplus(3, {"d"}) == ["b"]
    assert switches.surplus(2, {"d"}) == ["b", "c"]


def test_what_was_never_in_use_goes_first(installed: Make) -> None:
    switches = installed("abcd")
    for name in "ab":
        switch(switches, name)
    assert switches.surplus(3, {"b"}) == ["c"]
    assert switches.surplus(2, {"b"}) == ["c", "d"]


def test_a_switch_that_was_undone_is_no_use(installed: Make) -> None:
    switches = installed("abc")
    for name in "abc":
        switch(switches, name)
    switches._store.switch("b")
    assert switches.surplus(2, {"b"}) == ["c"]


def test_what_was_gone_back_from_goes_before_what_was_left_for_something_newer(installed: Make) -> None:
    switches = installed("abcde")
    for name in "abc":
        switch(switches, name)
    switch(switches, "b", BACK)
    assert switches.surplus(3, {"b"}) == ["d", "e"]
    assert switches.surplus(2, {"b"}) == ["c", "d", "e"]


def test_what_was_gone_back_from_and_is_in_use_again_counts_as_others_do(installed: Make) -> None:
    switches = installed("abc")
    for name in "ab":
        switch(switches, name)
    switch(switches, "a", BACK)
    for name in "bc":
        switch(switches, name)
    assert switches.surplus(2, {"c"}) == ["a"]
