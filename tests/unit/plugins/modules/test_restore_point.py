# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module restore_point."""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._process import began
from ansible_collections.percona.pmm_ai_chat.plugins.modules import restore_point

Run = SixTimes = Callable[..., dict[str, Any]]


class Files:
    """A file, a link, and the place of a file that is not there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "chat.ini"
        self.link = folder / "link"
        self.missing = folder / "missing"
        self.file.write_text("before")
        self.file.chmod(0o640)
        os.utime(self.file, (1, 1))
        self.link.symlink_to("chat.ini")
        self.paths = [str(path) for path in (self.file, self.link, self.missing)]

    def change(self) -> None:
        self.file.write_text("after")
        self.file.chmod(0o600)
        self.link.unlink()
        self.link.write_text("no link")
        self.missing.write_text("there")

    def state(self) -> dict[str, tuple[int, int, str]]:
        found = {}
        for path in sorted(self.folder.iterdir()):
            stat = path.lstat()
            content = os.readlink(path) if path.is_symlink() else path.read_text()
            # A link that is put back is a new one; what counts is where it leads.
            found[path.name] = (stat.st_mode, 0 if path.is_symlink() else stat.st_mtime_ns, content)
        return found


@pytest.fixture
def files(tmp_path: Path) -> Files:
    folder = tmp_path / "files"
    folder.mkdir()
    return Files(folder)


@pytest.fixture
def point(run_module: Run, tmp_path: Path) -> Run:
    placed = str(tmp_path / "placed.json")
    return functools.partial(run_module, restore_point, path=str(tmp_path / "lib" / "point"), state_file=placed)


def test_six_times(point: Run, files: Files, tmp_path: Path, six_times: SixTimes) -> None:
    """In each state. Files may hold secrets, so none shows in a diff."""

    def look() -> object:
        return files.state(), [path.name for path in (tmp_path / "lib").rglob("*")]

    before = files.state()
    taken = six_times(functools.partial(point, files=files.paths), look)
    point(state="absent")
    point(files=files.paths)
    files.change()
    restored = six_times(functools.partial(point, state="restored"), look)
    assert (restored["restored"], restored["backups"]) == (files.paths, [])
    assert files.state() == before
    absent = six_times(functools.partial(point, state="absent"), look)
    assert files.state() == before
    assert ["diff" in answer for answer in (taken, restored, absent)] == [False] * 3


def test_only_its_owner_reads_the_copies(point: Run, files: Files, tmp_path: Path) -> None:
    point(files=files.paths)
    assert oct((tmp_path / "lib" / "point").stat().st_mode & 0o777) == "0o700"
    assert {oct(path.stat().st_mode & 0o777) for path in (tmp_path / "lib" / "point").iterdir()} == {"0o600"}


def test_the_note_comes_back(point: Run, files: Files) -> None:
    point(files=files.paths, note={"release": "1.0-abc"})
    assert point(files=files.paths, note={"release": "2.0-abc"})["note"] == {"release": "1.0-abc"}
    assert point(state="restored")["note"] == {"release": "1.0-abc"}


def test_one_of_a_run_that_did_not_end_stays(point: Run, files: Files) -> None:
    """It tells of the last time that is known to be good; what was edited since is backed up."""
    point(files=files.paths)
    files.file.write_text("edited")
    files.file.chmod(0o640)
    answer = point(files=files.paths)
    assert (answer["changed"], answer["unfinished"]) == (False, True)
    answer = point(state="restored")
    assert files.file.read_text() == "before"
    assert [Path(path).read_text() for path in answer["backups"]] == ["edited"]


def test_nothing_is_kept_of_what_nobody_edits(point: Run, files: Files, six_times: SixTimes) -> None:
    """It may hold secrets, and would stay for ever."""
    before = files.state()
    lonely = files.folder / "own" / "locations.conf"
    generated = [str(files.file), str(lonely)]
    point(files=[*files.paths, str(lonely)], generated=generated)
    lonely.parent.mkdir()
    for path in (files.file, lonely):
        path.write_text("secret")
    assert point(files=files.paths)["unfinished"] is True
    answer = six_times(functools.partial(point, state="restored"), lambda: sorted(files.folder.rglob("*")))
    assert (answer["restored"], answer["backups"]) == ([*generated, str(lonely.parent)], [])
    assert files.state() == before


@pytest.mark.parametrize(
    ("edit", "record", "kept"),
    [
        ("", '{"PATH": {"placed": "DIGEST"}}', []),
        ("and edited", '{"PATH": {"placed": "DIGEST"}}', ["placed and edited"]),
        ("", '{"PATH": {"placed": null}}', ["placed "]),
        ("", "damaged", ["placed "]),
    ],
)
def test_what_is_as_it_was_placed_is_not_kept(
    point: Run, files: Files, tmp_path: Path, edit: str, record: str, kept: list[str]
) -> None:
    """By the list of what was placed, which is put back as well, and before."""
    placed = tmp_path / "placed.json"
    placed.write_text("{}")
    paths = [str(placed), str(files.file)]
    point(files=paths, generated=[str(placed)])
    placed.write_text(record.replace("PATH", str(files.file)).replace("DIGEST", hashlib.sha256(b"placed ").hexdigest()))
    files.file.write_text("placed " + edit)
    point(files=paths)
    answer = point(state="restored")
    assert answer["restored"] == paths
    assert [Path(path).read_text() for path in answer["backups"]] == kept
    assert (placed.read_text(), files.file.read_text()) == ("{}", "before")


def test_what_another_run_may_change_besides_is_kept_as_it_is_then(point: Run, files: Files) -> None:
    """It got other paths than the one that did not end."""
    other, elsewhere = files.folder / "other.ini", files.folder / "elsewhere" / "locations.conf"
    other.write_text("before")
    point(files=files.paths)
    files.change()
    wider = [files.paths[0], str(other), str(elsewhere)]
    for _run in ("the second", "the third, which finds it changed"):
        assert point(files=wider, generated=[str(elsewhere)])["unfinished"] is True
        elsewhere.parent.mkdir(exist_ok=True)
        for path in (other, elsewhere):
            path.write_text("after")
    answer = point(state="restored")
    assert answer["restored"] == [*files.paths, *wider[1:], str(elsewhere.parent)]
    assert [Path(path).read_text() for path in answer["backups"]] == ["after", "no link", "there", "after"]
    assert (other.read_text(), files.file.read_text()) == ("before", "before")


@pytest.fixture
def service() -> Iterator[Callable[[], int]]:
    """Begins processes that run until the test ends, long enough after all that was there before."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> int:
        started.append(subprocess.Popen(["sleep", "600"]))
        return started[-1].pid

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_one_is_taken_anew_when_the_service_has_begun_with_what_is_there(
    point: Run, files: Files, service: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator has changed things, started the service with them, and all was well."""
    point(files=files.paths)
    files.change()
    now = files.state()
    # The beginning of a process is known to the second.
    monkeypatch.setattr(restore_point, "began", lambda pid: began(pid) + 2)
    assert point(files=files.paths, in_use_by=service())["changed"] is True
    assert point(state="restored")["changed"] is False
    assert files.state() == now


@pytest.mark.parametrize("change", ["edited", "removed", "made", "given away"])
def test_one_stays_when_something_was_changed_after_the_service_had_begun(
    point: Run, files: Files, service: Callable[[], int], change: str
) -> None:
    """A run that was killed before its restart: the old process is healthy, and has seen nothing of this."""
    before = files.state()
    point(files=files.paths)
    pid = service()
    if change == "edited":
        files.file.write_text("half done")
    elif change == "removed":
        files.link.unlink()
    elif change == "made":
        files.missing.write_text("half done")
    else:
        files.file.chmod(0o600)
    assert point(files=files.paths, in_use_by=pid)["changed"] is False
    point(state="restored")
    assert {name: found for name, found in files.state().items() if not name.endswith("~")} == before


def test_one_stays_when_the_service_has_ended(point: Run, files: Files, service: Callable[[], int]) -> None:
    point(files=files.paths)
    files.change()
    assert point(files=files.paths, in_use_by=2**22 + 1)["changed"] is False


def test_one_that_differs_in_nothing_may_be_taken_anew(point: Run, files: Files, service: Callable[[], int]) -> None:
    point(files=files.paths, note={"release": "1.0"})
    assert point(files=files.paths, note={"release": "2.0"}, in_use_by=service())["note"] == {"release": "2.0"}


OURS = {"controller": "here", "process": 1, "began": "1", "host": "pmm"}
THEIRS = {**OURS, "process": 2}


@pytest.mark.parametrize("state", ["taken", "restored", "absent"])
def test_one_of_another_run_is_left_alone(point: Run, files: Files, tmp_path: Path, state: str) -> None:
    """Whose it is, and for how long, is told; the run's own part decides."""
    point(files=files.paths, owner=THEIRS)
    files.change()
    changed = files.state()
    os.utime(tmp_path / "lib" / "point" / "contents.json", (0, 0))
    for check in (True, False):
        answer = point(check=check, state=state, owner=OURS)
        assert (answer["changed"], answer["held_by"]) == (False, THEIRS)
        assert answer["held_for"] > 3600
        assert answer["held_since"].startswith("19")
    assert files.state() == changed
    assert point(state="restored", owner=THEIRS)["changed"] is True


def test_one_that_was_taken_over_is_ours(point: Run, files: Files) -> None:
    point(files=files.paths, owner=THEIRS)
    assert point(files=files.paths, owner=OURS, take_over=True)["unfinished"] is True
    assert point(files=files.paths, owner=THEIRS)["held_by"] == OURS
    assert point(state="absent", owner=OURS)["changed"] is True


def test_looking_leaves_nothing(point: Run, tmp_path: Path) -> None:
    """So a play finds out beforehand whether another one is at it."""
    assert point(check=True)["unfinished"] is False
    assert list(tmp_path.iterdir()) == []


def test_folders_that_were_not_there_go(point: Run, tmp_path: Path, six_times: Run) -> None:
    """Not those in which something else lies by now."""
    ours, data = tmp_path / "etc" / "ours", tmp_path / "srv" / "data"
    point(files=[str(ours / "a"), str(ours / "b"), str(data / "list")])
    for folder in (ours, data):
        folder.mkdir(parents=True)
    for path in (ours / "a", data / "list", data / "chat.db"):
        path.touch()
    expected = [str(path) for path in (ours / "a", data / "list", ours, ours.parent)]
    answer = six_times(functools.partial(point, state="restored"), lambda: sorted(tmp_path.rglob("*")))
    assert answer["restored"] == expected
    assert (ours.parent.exists(), os.listdir(data)) == (False, ["chat.db"])


def test_a_folder_with_a_backup_in_it_stays(point: Run, tmp_path: Path) -> None:
    file = tmp_path / "etc" / "file"
    point(files=[str(file)])
    file.parent.mkdir()
    file.write_text("edited")
    point(files=[str(file)])
    foretold = point(check=True, state="restored")
    answer = point(state="restored")
    assert answer["restored"] == foretold["restored"] == [str(file)]
    assert [str(path) for path in file.parent.iterdir()] == answer["backups"]


def test_one_that_was_being_taken_when_the_run_was_killed_does_not_count(
    point: Run, files: Files, tmp_path: Path
) -> None:
    (tmp_path / "lib" / "point.part").mkdir(parents=True)
    assert point(state="restored")["found"] is False
    assert point(files=files.paths)["unfinished"] is False
    assert os.listdir(tmp_path / "lib") == ["point"]


def test_one_that_cannot_be_taken_leaves_nothing(point: Run, files: Files, tmp_path: Path) -> None:
    files.missing.mkdir()
    assert "is not a regular file" in point(files=files.paths)["msg"]
    assert not (tmp_path / "lib").exists()


def test_the_folder_around_it_goes_with_it_unless_other_things_lie_there(
    point: Run, files: Files, tmp_path: Path
) -> None:
    point(files=files.paths)
    (tmp_path / "lib" / "other").touch()
    point(state="absent")
    assert [path.name for path in (tmp_path / "lib").iterdir()] == ["other"]
    (tmp_path / "lib" / "other").unlink()
    point(files=files.paths)
    point(state="absent")
    assert not (tmp_path / "lib").exists()


def test_a_damaged_one_is_told(point: Run, files: Files, tmp_path: Path) -> None:
    point(files=files.paths)
    (tmp_path / "lib" / "point" / "contents.json").write_text("{}")
    assert "is damaged: remove it" in point(state="restored")["msg"]
    assert point(state="absent")["changed"] is True


def test_without_one_nothing_is_restored(point: Run, files: Files) -> None:
    files.change()
    changed = files.state()
    answer = point(state="restored")
    assert (answer["found"], answer["changed"]) == (False, False)
    assert files.state() == changed


def test_a_folder_that_went_with_its_file_comes_back_with_it(point: Run, files: Files) -> None:
    lonely = files.folder / "own" / "locations.conf"
    lonely.parent.mkdir()
    lonely.write_text("before")
    point(files=[str(lonely)])
    lonely.unlink()
    lonely.parent.rmdir()
    assert point(state="restored")["restored"] == [str(lonely)]
    assert lonely.read_text() == "before"
