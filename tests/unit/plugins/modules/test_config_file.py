# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module config_file: truthful in check mode, quiet about secrets, idempotent."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.percona.pmm_ai_chat.plugins.modules import config_file

Run = SixTimes = Callable[..., dict[str, Any]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "chat.ini"


@pytest.fixture
def place(run_module: Run, file: Path, tmp_path: Path) -> Run:
    state = str(tmp_path / "placed.json")
    return functools.partial(run_module, config_file, path=str(file), state_file=state, mode="0640")


def state(file: Path) -> dict[str, tuple[int, int, int]]:
    """All that lies there, for a comparison."""
    found = {path.name: path.lstat() for path in file.parent.iterdir()}
    return {name: (stat.st_ino, stat.st_mode, stat.st_mtime_ns) for name, stat in found.items()}


def test_six_times(place: Run, file: Path, six_times: SixTimes) -> None:
    done = six_times(functools.partial(place, content="a\n"), lambda: state(file))
    assert done["decision"] == "created"
    assert done["diff"] == [{"before_header": str(file), "after_header": str(file), "before": "", "after": "a\n"}]
    assert (file.read_text(), oct(file.stat().st_mode & 0o777)) == ("a\n", "0o640")


def test_an_untouched_file_is_updated(place: Run, file: Path) -> None:
    place(content="a\n")
    answer = place(content="b\n")
    assert (answer["decision"], file.read_text()) == ("updated", "b\n")
    assert (answer["diff"][0]["before"], answer["diff"][0]["after"]) == ("a\n", "b\n")


def test_an_edited_file_is_kept(place: Run, file: Path) -> None:
    place(content="a\n")
    file.write_text("mine\n")
    answer = place(content="a\n")
    assert (answer["changed"], answer["kept"], file.read_text()) == (False, True, "mine\n")
    assert answer["message"] == f"{file} was edited on this host and is kept."
    assert not Path(f"{file}.new").exists()


def test_a_new_default_is_laid_beside_an_edited_file_once(place: Run, file: Path) -> None:
    new = Path(f"{file}.new")
    place(content="a\n")
    file.write_text("mine\n")
    foretold = place(check=True, content="b\n")
    assert (foretold["changed"], foretold["new_path"], new.exists()) == (True, str(new), False)
    answer = place(content="b\n")
    assert (answer["changed"], answer["new_path"], new.read_text()) == (True, str(new), "b\n")
    assert str(new) in answer["message"]
    assert place(content="b\n")["changed"] is False
    new.unlink()
    assert place(content="b\n")["changed"] is False
    assert not new.exists()


def test_the_new_default_goes_away_when_it_was_taken_over(place: Run, file: Path, six_times: SixTimes) -> None:
    place(content="a\n")
    file.write_text("mine\n")
    place(content="b\n")
    os.replace(f"{file}.new", file)
    Path(f"{file}.new").write_text("old")
    done = six_times(functools.partial(place, content="b\n"), lambda: state(file))
    assert [(diff["before_header"], diff["before"], diff["after"]) for diff in done["diff"]] == [
        (f"{file}.new", "old", "")
    ]
    assert not Path(f"{file}.new").exists()


def test_force_overwrites_with_a_backup(place: Run, file: Path) -> None:
    place(content="a\n")
    file.write_text("mine\n")
    answer = place(content="b\n", force=True)
    assert (answer["decision"], file.read_text()) == ("overwritten", "b\n")
    assert Path(answer["backup_file"]).read_text() == "mine\n"


def test_a_file_that_was_there_before_is_kept(place: Run, file: Path) -> None:
    file.write_text("mine\n")
    assert place(content="a\n")["kept"] is True
    assert file.read_text() == "mine\n"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    elsewhere = tmp_path / "elsewhere" / "chat.ini"
    elsewhere.parent.mkdir()
    return elsewhere


def test_what_lies_in_another_place_is_taken_over_and_kept(
    place: Run, file: Path, elsewhere: Path, six_times: SixTimes
) -> None:
    elsewhere.write_text("mine\n")
    run = functools.partial(place, content="a\n", predecessor=str(elsewhere))
    done = six_times(run, lambda: (state(file), elsewhere.read_text()))
    assert (done["decision"], done["kept"], file.read_text()) == ("kept", True, "mine\n")
    assert oct(file.stat().st_mode & 0o777) == "0o640"
    assert [(diff["after_header"], diff["before"], diff["after"]) for diff in done["diff"]] == [
        (str(file), "", "mine\n"),
        (f"{file}.new", "", "a\n"),
    ]
    assert done["message"].startswith(f"{file} takes over what stands in {elsewhere}. ")
    assert Path(f"{file}.new").read_text() == "a\n"


def test_what_is_taken_over_by_force_has_a_backup(place: Run, file: Path, elsewhere: Path) -> None:
    elsewhere.write_text("mine\n")
    run = functools.partial(place, content="a\n", predecessor=str(elsewhere), force=True)
    assert run(check=True)["decision"] == "overwritten"
    answer = run()
    assert (answer["decision"], file.read_text()) == ("overwritten", "a\n")
    assert Path(answer["backup_file"]).read_text() == "mine\n"
    assert [(diff["before"], diff["after"]) for diff in answer["diff"]] == [("mine\n", "a\n")]


def test_what_is_taken_over_as_it_was_shipped_follows_what_is_shipped(place: Run, file: Path, elsewhere: Path) -> None:
    elsewhere.write_text("a\n")
    assert place(content="a\n", predecessor=str(elsewhere))["decision"] == "unchanged"
    assert place(content="b\n", predecessor=str(elsewhere))["decision"] == "updated"
    assert file.read_text() == "b\n"


@pytest.mark.parametrize("content", [None, "link", "mine\n"])
def test_nothing_is_taken_over_where_there_is_nothing_to_take_or_no_need(
    place: Run, file: Path, elsewhere: Path, content: str | None
) -> None:
    if content == "link":
        elsewhere.symlink_to(file)
    elif content is not None:
        place(content="a\n")
        elsewhere.write_text(content)
    place(content="b\n", predecessor=str(elsewhere))
    assert file.read_text() == "b\n"


def test_what_is_refused_is_not_taken_over(place: Run, file: Path, elsewhere: Path) -> None:
    elsewhere.write_text("{")
    answer = place(content='{"servers": []}', validator="mcp_servers", predecessor=str(elsewhere))
    assert f"{elsewhere} is refused" in answer["msg"]
    assert not file.exists()


def test_a_file_that_a_package_brought_along_counts_as_not_edited(place: Run, file: Path) -> None:
    file.write_text("default\n")
    answer = place(content="filled in\n", pristine=["default\n"])
    assert (answer["decision"], file.read_text()) == ("updated", "filled in\n")
    file.write_text("mine\n")
    assert place(content="filled in\n", pristine=["default\n"])["kept"] is True


def test_a_wrong_mode_is_repaired_and_shown(place: Run, file: Path, six_times: SixTimes) -> None:
    place(content="a\n")
    file.chmod(0o666)
    done = six_times(functools.partial(place, content="a\n"), lambda: state(file))
    assert oct(file.stat().st_mode & 0o777) == "0o640"
    assert [("mode: 0666" in diff["before"], "mode: 0640" in diff["after"]) for diff in done["diff"]] == [(True, True)]


def test_secrets_do_not_show(place: Run) -> None:
    answer = place(content='AICHAT_API_KEY="canary"\nPORT=1\n')
    assert "canary" not in json.dumps(answer)
    assert "PORT=1" in json.dumps(answer)


def test_a_sensitive_file_shows_nothing(place: Run, file: Path) -> None:
    answer = place(content="canary\n", sensitive=True)
    assert file.read_text() == "canary\n"
    assert "canary" not in json.dumps(answer)
    assert answer["diff"][0]["after"] == "(not shown, and different)\n"


def test_refused_content_changes_nothing(place: Run, file: Path, tmp_path: Path) -> None:
    answer = place(content='{"a": canary}', validator="json")
    assert answer["failed"] is True
    assert f"{file} is refused: it is not JSON" in answer["msg"]
    assert "canary" not in answer["msg"]
    assert os.listdir(tmp_path) == []


def test_an_edited_file_must_satisfy_the_check_too(place: Run, file: Path) -> None:
    place(content='{"servers": []}', validator="mcp_servers")
    file.write_text("{")
    assert "is refused" in place(content='{"servers": []}', validator="mcp_servers")["msg"]
    assert place(content='{"servers": []}', validator="mcp_servers", force=True)["decision"] == "overwritten"


@pytest.mark.parametrize(("arguments", "message"), [({"owner": "no-such-user"}, "no user"), ({"mode": "x"}, "octal")])
def test_wrong_attributes_are_told(place: Run, arguments: dict[str, str], message: str) -> None:
    assert message in place(content="a", **arguments)["msg"]


def test_a_link_is_refused(place: Run, file: Path) -> None:
    file.symlink_to("/etc/hosts")
    assert "symbolic link" in place(content="a")["msg"]


@pytest.fixture
def remove(run_module: Run, file: Path, tmp_path: Path) -> Run:
    state = str(tmp_path / "placed.json")
    return functools.partial(run_module, config_file, path=str(file), state_file=state, state="absent")


def backups(file: Path) -> list[str]:
    return [path.read_text() for path in file.parent.glob(f"{file.name}.*~")]


def test_six_times_absent(place: Run, remove: Run, file: Path, six_times: SixTimes) -> None:
    place(content="a\n")
    done = six_times(remove, lambda: state(file))
    assert done["decision"] == "removed"
    assert done["diff"] == [{"before_header": str(file), "after_header": str(file), "before": "a\n", "after": ""}]
    assert (file.exists(), backups(file), remove()["decision"]) == (False, [], "unchanged")


def test_an_edited_file_that_goes_is_saved(place: Run, remove: Run, file: Path) -> None:
    place(content="a\n")
    file.write_text("mine\n")
    place(content="b\n")
    foretold = remove(check=True)
    assert (foretold["decision"], backups(file)) == ("saved", [])
    assert "a copy stays" in foretold["message"]
    answer = remove()
    assert (answer["decision"], file.exists(), Path(f"{file}.new").exists()) == ("saved", False, False)
    assert Path(answer["backup_file"]).read_text() == "mine\n"
    assert answer["backup_file"] in answer["message"]


def test_with_force_not_even_backups_stay(place: Run, remove: Run, file: Path) -> None:
    place(content="a\n")
    file.write_text("mine\n")
    place(content="b\n", force=True)
    file.write_text("mine again\n")
    assert backups(file) == ["mine\n"]
    answer = remove(force=True)
    assert answer["decision"] == "removed"
    assert [diff["before"] for diff in answer["diff"]] == ["mine again\n", "mine\n"]
    assert (file.exists(), backups(file)) == (False, [])


def test_a_file_that_was_never_dealt_with_stays(remove: Run, file: Path) -> None:
    file.write_text("mine\n")
    answer = remove(force=True)
    assert (answer["changed"], answer["decision"], file.read_text()) == (False, "foreign", "mine\n")
    assert answer["message"] == f"{file} was not placed by this collection and stays."


def test_a_removed_file_that_comes_back_is_a_stranger(place: Run, remove: Run, file: Path) -> None:
    place(content="a\n")
    remove()
    file.write_text("a\n")
    assert remove()["decision"] == "foreign"


def test_a_removed_file_shows_no_secret(place: Run, remove: Run) -> None:
    place(content='AICHAT_API_KEY="canary"\nPORT=1\n')
    answer = remove()
    assert "canary" not in json.dumps(answer)
    assert "PORT=1" in answer["diff"][0]["before"]
    assert answer["diff"][0]["after"] == ""


def test_content_is_wanted_when_a_file_is(place: Run) -> None:
    assert "content" in place()["msg"]
