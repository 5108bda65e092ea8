# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module nginx_include: both files change, or neither does."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.warnings import get_warning_messages
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._nginx_config import MARK
from ansible_collections.percona.pmm_ai_chat.plugins.modules import nginx_include

Run = SixTimes = Callable[..., dict[str, Any]]
PMM = "server {\n    listen 8080;\n}\n"
# Stands for nginx -t: refuses what holds the word "broken", as far as it is included.
NGINX = """#!/bin/sh
cd {folder}
if grep -qs broken pmm.conf || {{ grep -qs '^ *include' pmm.conf && grep -qs broken aichat/locations.conf; }}; then
    echo "nginx: [emerg] broken" >&2
    exit 1
fi
"""


@pytest.fixture
def pmm(tmp_path: Path) -> Path:
    nginx = tmp_path / "nginx"
    nginx.write_text(NGINX.format(folder=tmp_path))
    nginx.chmod(0o755)
    pmm = tmp_path / "pmm.conf"
    pmm.write_text(PMM)
    return pmm


@pytest.fixture
def include(run_module: Run, pmm: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(nginx_include, "master_user", lambda: None)
    monkeypatch.setattr(nginx_include, "attributes", lambda *names: nginx_include.Attributes(mode=0o644))
    return functools.partial(
        run_module,
        nginx_include,
        configuration=str(pmm),
        path=str(pmm.parent / "aichat" / "locations.conf"),
        executable=str(pmm.parent / "nginx"),
    )


def state(pmm: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path): (path.read_text(), path.stat().st_mtime_ns) for path in pmm.parent.rglob("*.conf") if path.is_file()
    }


def test_six_times(include: Run, pmm: Path, six_times: SixTimes) -> None:
    locations = pmm.parent / "aichat" / "locations.conf"
    done = six_times(functools.partial(include, content="location /a {}\n"), lambda: state(pmm))
    text = f"server {{\n    listen 8080;\n    include {locations}; {MARK}\n}}\n"
    assert [(diff["after_header"], diff["before"], diff["after"]) for diff in done["diff"]] == [
        (str(pmm), PMM, text),
        (str(locations), "", "location /a {}\n"),
    ]
    assert (pmm.read_text(), locations.read_text()) == (text, "location /a {}\n")


def test_a_secret_in_the_locations_is_written_and_not_shown(include: Run, pmm: Path) -> None:
    content = 'location /a {\n    proxy_set_header X-Proxy-Secret "canary";\n}\n'
    for new in (content, content.replace("canary", "canary-2")):
        answer = include(content=new)
        assert "canary" not in str(answer)
        assert "location /a {" in answer["diff"][-1]["after"]
        assert (pmm.parent / "aichat" / "locations.conf").read_text() == new


def test_refused_locations_leave_everything_as_it_was(include: Run, pmm: Path) -> None:
    os.utime(pmm, (1, 1))
    before = state(pmm)
    answer = include(content="broken\n")
    assert "everything was put back" in answer["msg"]
    assert "nginx: [emerg] broken" in answer["msg"]
    assert state(pmm) == before
    assert not (pmm.parent / "aichat").exists()


def test_a_refused_change_brings_the_old_locations_back(include: Run, pmm: Path) -> None:
    include(content="location /a {}\n")
    before = state(pmm)
    assert include(content="broken\n")["failed"] is True
    assert state(pmm) == before


@pytest.mark.parametrize("check", [True, False])
def test_a_broken_nginx_is_not_touched(include: Run, pmm: Path, check: bool) -> None:
    pmm.write_text(PMM + "# broken\n")
    before = state(pmm)
    assert "refuses its configuration already" in include(check=check, content="location /a {}\n")["msg"]
    assert state(pmm) == before


def test_six_times_absent(include: Run, pmm: Path, six_times: SixTimes) -> None:
    include(content="location /a {}\n")
    done = six_times(functools.partial(include, state="absent"), lambda: state(pmm))
    assert [(diff["before_header"], diff["after"]) for diff in done["diff"]] == [
        (str(pmm), PMM),
        (str(pmm.parent / "aichat" / "locations.conf"), ""),
    ]
    assert pmm.read_text() == PMM
    assert not (pmm.parent / "aichat").exists()


def test_absent_needs_no_configuration(include: Run, pmm: Path) -> None:
    include(content="location /a {}\n")
    pmm.unlink()
    assert include(state="absent")["changed"] is True
    assert not (pmm.parent / "aichat").exists()
    assert include(state="absent")["changed"] is False


@pytest.mark.parametrize("text", ["server {", "server { listen 80; }"])
def test_absent_leaves_alone_what_has_nothing_of_ours(include: Run, pmm: Path, text: str) -> None:
    elsewhere = pmm.with_name("elsewhere.conf")
    elsewhere.write_text(text)
    pmm.unlink()
    pmm.symlink_to(elsewhere)
    assert include(state="absent")["changed"] is False
    assert pmm.is_symlink()
    assert elsewhere.read_text() == text


def test_absent_mends_an_nginx_that_our_locations_broke(include: Run, pmm: Path) -> None:
    include(content="location /a {}\n")
    (pmm.parent / "aichat" / "locations.conf").write_text("broken\n")
    answer = include(state="absent")
    assert answer["changed"] is True
    assert get_warning_messages() == ()
    assert pmm.read_text() == PMM


def test_absent_goes_through_with_an_nginx_that_others_broke_and_says_so(include: Run, pmm: Path) -> None:
    include(content="location /a {}\n")
    pmm.write_text(pmm.read_text() + "# broken\n")
    answer = include(state="absent")
    assert answer["changed"] is True
    assert "nginx: [emerg] broken" in str(get_warning_messages())
    assert pmm.read_text() == PMM + "# broken\n"
    assert not (pmm.parent / "aichat").exists()


def test_absent_is_undone_where_it_breaks_nginx(include: Run, pmm: Path) -> None:
    include(content="location /a {}\n")
    nginx = pmm.parent / "nginx"
    nginx.write_text(f"#!/bin/sh\ntest -e {pmm.parent}/aichat/locations.conf || {{ echo gone >&2; exit 1; }}\n")
    before = state(pmm)
    assert "everything was put back as it was:\ngone" in include(state="absent")["msg"]
    assert state(pmm) == before


def test_another_path_takes_the_place_of_the_earlier_one(include: Run, pmm: Path) -> None:
    first, second = pmm.parent / "aichat" / "locations.conf", pmm.parent / "other" / "locations.conf"
    include(content="location /a {}\n")
    before = state(pmm)

    foretold = include(check=True, content="location /b {}\n", path=str(second))

    assert state(pmm) == before
    answer = include(content="location /b {}\n", path=str(second))
    assert answer["superseded"] == foretold["superseded"] == [str(first)]
    assert [diff["after_header"] for diff in answer["diff"]] == [str(pmm), str(second), str(first)]
    assert pmm.read_text() == f"server {{\n    listen 8080;\n    include {second}; {MARK}\n}}\n"
    assert not first.parent.exists()
    assert include(content="location /b {}\n", path=str(second))["changed"] is False
    include(state="absent", path=str(first))
    assert pmm.read_text() == PMM
    assert not second.exists()


def test_a_refused_change_of_the_path_is_undone(include: Run, pmm: Path) -> None:
    second = pmm.parent / "other" / "locations.conf"
    include(content="location /a {}\n")
    before = state(pmm)
    (pmm.parent / "nginx").write_text(NGINX.format(folder=pmm.parent).replace("aichat/locations", "other/locations"))
    assert "everything was put back" in include(content="broken", path=str(second))["msg"]
    assert state(pmm) == before
    assert not second.parent.exists()


def test_a_pmm_conf_that_was_replaced_gets_its_line_back(include: Run, pmm: Path) -> None:
    include(content="location /a {}\n")
    changed = pmm.read_text()
    locations = pmm.parent / "aichat" / "locations.conf"
    pmm.write_text(PMM)
    for check in (True, False):
        answer = include(check=check, content="location /a {}\n")
        assert answer["changed"] is True
        assert [diff["after_header"] for diff in answer["diff"]] == [str(pmm)]
    assert pmm.read_text() == changed
    assert locations.read_text() == "location /a {}\n"


@pytest.mark.parametrize("check", [True, False])
def test_what_only_our_file_breaks_is_mended(include: Run, pmm: Path, check: bool) -> None:
    include(content="location /a {}\n")
    locations = pmm.parent / "aichat" / "locations.conf"
    locations.unlink()
    nginx = pmm.parent / "nginx"
    nginx.write_text(
        f"#!/bin/sh\ntest -e {locations} || {{ echo '[emerg] open() \"{locations}\" failed' >&2; exit 1; }}\n"
    )
    assert include(check=check, content="location /a {}\n")["changed"] is True
    assert locations.exists() is not check


def test_a_wrong_mode_is_repaired_and_shown(include: Run, pmm: Path, six_times: SixTimes) -> None:
    include(content="location /a {}\n")
    locations = pmm.parent / "aichat" / "locations.conf"
    locations.chmod(0o666)
    done = six_times(functools.partial(include, content="location /a {}\n"), lambda: locations.stat().st_mode)
    assert oct(locations.stat().st_mode & 0o777) == "0o644"
    shown = [
        (diff["after_header"], "mode: 0666" in diff["before"], "mode: 0644" in diff["after"]) for diff in done["diff"]
    ]
    assert shown == [(str(locations), True, True)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("server { listen 80; }", "no server block listens on 8443 or 8080"),
        ("server {", "line 1: this block is never closed"),
        (None, "does not exist: is PMM's nginx on this host"),
    ],
)
def test_a_configuration_without_a_place_is_told(include: Run, pmm: Path, text: str | None, message: str) -> None:
    if text is None:
        pmm.unlink()
    else:
        pmm.write_text(text)
    answer = include(content="location /a {}\n")
    assert message in answer["msg"]
    assert str(pmm) in answer["msg"]


def test_a_missing_nginx_is_told(include: Run) -> None:
    assert "is not on this host" in include(content="x", executable="no-such-nginx")["msg"]
