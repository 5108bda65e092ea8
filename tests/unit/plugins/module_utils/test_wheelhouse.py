# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file that carries the packages, and the manifest in it."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils import _wheelhouse
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._wheelhouse import (
    Manifest,
    Platform,
    WheelhouseProblem,
    digests,
    is_whole,
    read_manifest,
    unpack,
)

PLATFORM = Platform("3.12", "x86_64", "2.34")


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in ("b-1-py3-none-any.whl", "a-2-py3-none-any.whl"):
        (folder / name).write_bytes(name.encode() * 1000)
    return folder


@pytest.fixture
def made(tmp_path: Path, wheels: Path) -> Path:
    return write(tmp_path / "made.tar", wheels)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


def manifest(wheels: Path) -> Manifest:
    return Manifest("1.0", "l" * 64, PLATFORM, digests(str(wheels)))


def write(path: Path, wheels: Path) -> Path:
    with path.open("wb") as stream:
        _wheelhouse.write(manifest(wheels), str(wheels), stream)
    return path


def test_what_was_packed_comes_out(made: Path, wheels: Path, target: Path) -> None:
    assert read_manifest(str(made)) == manifest(wheels)
    unpack(str(made), str(target))
    assert digests(str(target)) == digests(str(wheels))


def test_the_same_wheels_give_the_same_bytes(tmp_path: Path, made: Path, wheels: Path) -> None:
    for path in wheels.iterdir():
        path.touch()
    assert write(tmp_path / "again.tar", wheels).read_bytes() == made.read_bytes()


@pytest.mark.parametrize(
    ("host", "fits"),
    [
        (Platform("3.12", "x86_64", "2.34"), True),
        (Platform("3.12", "x86_64", "2.41"), True),
        (Platform("3.12", "x86_64", "2.28"), False),
        (Platform("3.12", "x86_64", "2.5"), False),
        (Platform("3.12", "x86_64", "0"), False),
        (Platform("3.11", "x86_64", "2.34"), False),
        (Platform("3.12", "aarch64", "2.34"), False),
    ],
)
def test_a_host_carries_what_was_made_for_its_like_or_for_an_older_c_library(host: Platform, fits: bool) -> None:
    assert host.carries(PLATFORM) is fits


def test_this_host_knows_its_c_library() -> None:
    assert Platform("3.12", "x86_64", _wheelhouse.host_glibc()).carries(Platform("3.12", "x86_64", "2.5"))


@pytest.mark.parametrize("content", [b"", b"not a tar at all", b"x" * 10240])
def test_another_file_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(WheelhouseProblem, match="is no wheelhouse"):
        read_manifest(str(tmp_path / "file"))


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(WheelhouseProblem, match="There is no wheelhouse"):
        read_manifest(str(tmp_path / "none"))
    with pytest.raises(WheelhouseProblem, match="is no wheelhouse"):
        read_manifest(str(tmp_path))


def test_another_format_is_told(tmp_path: Path) -> None:
    with pytest.raises(WheelhouseProblem, match="another version"):
        read_manifest(str(packed(tmp_path, {"wheelhouse.json": b'{"format": 2}'})))


def packed(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "packed.tar"
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


@pytest.mark.parametrize("name", ["c-1-py3-none-any.whl", "../a-2-py3-none-any.whl", "/etc/passwd"])
def test_what_the_manifest_does_not_name_is_refused(tmp_path: Path, wheels: Path, target: Path, name: str) -> None:
    members = {"wheelhouse.json": manifest(wheels).to_json(), name: b"x"}
    with pytest.raises(WheelhouseProblem, match="does not name"):
        unpack(str(packed(tmp_path, members)), str(target))
    assert list(target.iterdir()) == []


def test_a_link_in_place_of_a_wheel_is_refused(tmp_path: Path, wheels: Path, target: Path) -> None:
    path = packed(tmp_path, {"wheelhouse.json": manifest(wheels).to_json()})
    with tarfile.open(path, "a") as archive:
        link = tarfile.TarInfo("a-2-py3-none-any.whl")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(WheelhouseProblem, match="does not name"):
        unpack(str(path), str(target))
    assert list(target.iterdir()) == []


def test_changed_cut_and_missing_wheels_are_told(tmp_path: Path, made: Path, wheels: Path, target: Path) -> None:
    content = made.read_bytes()
    for damaged in (content.replace(b"a-2-py3", b"a-3-py3", 5).replace(b"anya", b"anyx"), content[:13000]):
        (tmp_path / "damaged.tar").write_bytes(damaged)
        with pytest.raises(WheelhouseProblem):
            unpack(str(tmp_path / "damaged.tar"), str(target))
        assert not is_whole(str(tmp_path / "damaged.tar"), manifest(wheels))
    lacking = packed(tmp_path, {"wheelhouse.json": manifest(wheels).to_json()})
    with pytest.raises(WheelhouseProblem, match="lacks a-2"):
        unpack(str(lacking), str(target))


def test_it_is_whole_for_its_own_lock_and_platform_only(made: Path, wheels: Path) -> None:
    wanted = manifest(wheels)
    assert is_whole(str(made), wanted)
    assert not is_whole(str(made), Manifest("1.0", "m" * 64, PLATFORM, {}))
    assert not is_whole(str(made), Manifest("1.0", "l" * 64, Platform("3.12", "x86_64", "2.28"), {}))
    assert not is_whole(str(made) + ".none", wanted)
