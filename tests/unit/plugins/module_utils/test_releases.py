# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The folder of releases: what is finished, what is current, what goes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._releases import Release, ReleaseProblem, ReleaseStore


def release(name: str, age: int = 0) -> Release:
    return Release(name, "1.0", name * 8, "/usr/bin/python3", "3.13.5", "uv", 1000 - age)


def put(store: ReleaseStore, name: str, age: int = 0) -> None:
    binaries = Path(store.path(name)) / "bin"
    binaries.mkdir(parents=True)
    (binaries / "python").write_text("#!/bin/sh\n")
    (binaries / "python").chmod(0o755)
    store.finish(release(name, age))


@pytest.fixture
def store(tmp_path: Path) -> ReleaseStore:
    return ReleaseStore(str(tmp_path / "opt"))


def test_nothing_is_there_yet(store: ReleaseStore) -> None:
    assert store.names() == []
    assert store.current() is None
    assert store.owned_paths() == []


def test_a_finished_release_is_read_back(store: ReleaseStore) -> None:
    put(store, "a")
    assert store.get("a") == release("a")


def test_without_its_marker_it_is_unfinished(store: ReleaseStore) -> None:
    put(store, "a")
    os.unlink(os.path.join(store.path("a"), "release.json"))
    assert store.get("a") is None
    assert store.unfinished() == ["a"]


def test_without_its_interpreter_it_is_unfinished(store: ReleaseStore) -> None:
    put(store, "a")
    python = os.path.join(store.path("a"), "bin", "python")
    os.unlink(python)
    os.symlink("/usr/bin/python-that-was-removed", python)
    assert store.get("a") is None


def test_a_copied_release_does_not_count(store: ReleaseStore) -> None:
    put(store, "a")
    os.rename(store.path("a"), store.path("b"))
    assert store.get("b") is None


def test_switching_replaces_the_link(store: ReleaseStore) -> None:
    put(store, "a")
    put(store, "b")
    store.switch("a")
    store.switch("b")
    assert os.readlink(store.current_link) == "releases/b"
    assert store.current() == "b"
    assert sorted(os.listdir(store.root)) == ["current", "releases"]


def test_switching_works_after_an_interrupted_switch(store: ReleaseStore) -> None:
    put(store, "a")
    os.symlink("releases/x", store.current_link + ".next")
    store.switch("a")
    assert store.current() == "a"


def test_a_folder_in_the_place_of_the_link_is_told(store: ReleaseStore) -> None:
    os.makedirs(store.current_link)
    with pytest.raises(ReleaseProblem, match="move it away"):
        store.current()


def test_removing_a_release(store: ReleaseStore) -> None:
    put(store, "a")
    store.remove("a")
    store.remove("a")
    assert store.names() == []


def test_the_lock_keeps_others_out_and_is_free_afterwards(store: ReleaseStore) -> None:
    with store.locked(), pytest.raises(ReleaseProblem, match="wait for it or end it"), store.locked(patience=0):
        pass
    with store.locked(patience=0):
        assert store.names() == []


def test_an_error_under_the_lock_is_not_taken_for_a_busy_lock(store: ReleaseStore) -> None:
    with pytest.raises(BlockingIOError), store.locked():
        raise BlockingIOError


def test_a_lock_that_was_removed_with_everything_else_is_made_again(store: ReleaseStore) -> None:
    with store.locked():
        store.clear()
    with store.locked(patience=0):
        assert os.path.isdir(store.folder)


def test_clearing_leaves_what_is_not_ours(store: ReleaseStore) -> None:
    put(store, "a")
    store.switch("a")
    foreign = Path(store.root) / "notes.txt"
    foreign.write_text("mine")
    store.clear()
    assert os.listdir(store.root) == ["notes.txt"]
    foreign.unlink()
    store.clear()
    assert not os.path.exists(store.root)
