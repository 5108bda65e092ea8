# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a process began."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._process import began, beginning


def test_the_beginning_is_known_to_the_second() -> None:
    before = time.time()
    with subprocess.Popen(["sleep", "600"]) as process:
        found = began(process.pid)
        process.kill()
    assert found is not None
    assert before - 2 < found < time.time() + 2


def test_it_tells_a_process_from_others_and_from_none() -> None:
    ours = beginning(os.getpid())
    assert ours == beginning(os.getpid()) != beginning(1)
    with subprocess.Popen(["true"]) as ended:
        pass
    assert beginning(ended.pid) is None
    assert began(ended.pid) is None


def test_a_name_with_brackets_and_blanks_does_not_confuse(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_text("7 (a) b (c) S " + " ".join(str(number) for number in range(4, 53)))
    (tmp_path / "stat").write_text("cpu 1 2\nbtime 1000\n")
    assert began(7, str(tmp_path)) == 1000 + 22 / os.sysconf("SC_CLK_TCK")


def test_where_there_is_no_proc_ps_is_asked(tmp_path: Path) -> None:
    assert str(time.localtime().tm_year) in str(beginning(os.getpid(), str(tmp_path)))
    with subprocess.Popen(["true"]) as ended:
        pass
    assert beginning(ended.pid, str(tmp_path)) is None
