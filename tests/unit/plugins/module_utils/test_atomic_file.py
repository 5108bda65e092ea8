# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files are replaced whole, under their final owner and mode."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path
from types import ModuleType

import pytest
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._atomic_file import (
    Attributes,
    FileProblem,
    apply_attributes,
    attributes,
    attributes_differ,
    read_regular,
    write_atomically,
)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_private_unless_asked_otherwise(tmp_path: Path) -> None:
    write_atomically(str(tmp_path / "a"), b"x", Attributes())
    write_atomically(str(tmp_path / "b"), b"x", Attributes(mode=0o644))
    assert (mode_of(tmp_path / "a"), mode_of(tmp_path / "b")) == (0o600, 0o644)


def test_a_replaced_file_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"old")
    file.chmod(0o640)
    write_atomically(str(file), b"new", Attributes())
    assert (file.read_bytes(), mode_of(file)) == (b"new", 0o640)


def test_nothing_is_left_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"old")

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        write_atomically(str(file), b"new", Attributes())
    assert os.listdir(tmp_path) == ["a"]
    assert file.read_bytes() == b"old"


def test_reading(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "link").symlink_to("a")
    assert read_regular(str(tmp_path / "a")) == b"x"
    assert read_regular(str(tmp_path / "missing")) is None
    with pytest.raises(FileProblem, match="symbolic link"):
        read_regular(str(tmp_path / "link"))
    with pytest.raises(FileProblem, match="not a regular file"):
        read_regular(str(tmp_path))


def test_attributes_are_compared_and_applied(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"x")
    file.chmod(0o600)
    wanted = Attributes(os.getuid(), os.getgid(), 0o640)
    assert attributes_differ(str(file), wanted)
    apply_attributes(str(file), wanted)
    assert not attributes_differ(str(file), wanted)
    assert mode_of(file) == 0o640


def test_attributes_are_never_applied_through_a_link(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"x")
    target.chmod(0o600)
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(OSError, match="symbolic link"):
        apply_attributes(str(tmp_path / "link"), Attributes(mode=0o666))
    assert mode_of(target) == 0o600


def test_names_are_resolved() -> None:
    assert attributes("root", "root", "0640") == Attributes(0, 0, 0o640)
    assert attributes(None, None, None) == Attributes()


@pytest.mark.parametrize(
    ("owner", "group", "mode", "problem"),
    [
        ("no-such-user", None, None, "no user 'no-such-user'"),
        (None, "no-such-group", None, "no group 'no-such-group'"),
        (None, None, "rw", "not octal"),
    ],
)
def test_unknown_names_are_told(owner: str | None, group: str | None, mode: str | None, problem: str) -> None:
    with pytest.raises(FileProblem, match=problem):
        attributes(owner, group, mode)


def test_what_a_killed_writer_left_goes_and_what_another_one_is_writing_stays(tmp_path: Path) -> None:
    abandoned, being_written = tmp_path / ".chat.ini.aichat-abcd_123", tmp_path / ".chat.ini.aichat-efgh_456"
    abandoned.touch()
    with being_written.open("wb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        write_atomically(str(tmp_path / "chat.ini"), b"new", Attributes())
    assert sorted(path.name for path in tmp_path.iterdir()) == [being_written.name, "chat.ini"]


def test_what_an_operator_named_alike_stays(tmp_path: Path) -> None:
    names = [".chat.ini.20261122", ".chat.ini.original", ".chat.ini.aichat-2026-11-22"]
    for name in names:
        (tmp_path / name).touch()
    write_atomically(str(tmp_path / "chat.ini"), b"new", Attributes())
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names, "chat.ini"])


@pytest.mark.parametrize(
    ("place", "name"), [(fcntl, "flock"), (os, "fsync"), (os, "replace")], ids=["to lock", "to write", "to rename"]
)
def test_two_writers_do_not_take_each_other_for_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: ModuleType, name: str
) -> None:
    """One comes while the other one is just about to do something."""
    file = tmp_path / "chat.ini"
    function = getattr(place, name)

    def after_the_other_one(*arguments: object) -> object:
        monkeypatch.undo()
        write_atomically(str(file), b"of the other one", Attributes())
        return function(*arguments)

    monkeypatch.setattr(place, name, after_the_other_one)
    write_atomically(str(file), b"of this one", Attributes())
    assert os.listdir(tmp_path) == ["chat.ini"]
    assert file.read_bytes() == b"of this one"
