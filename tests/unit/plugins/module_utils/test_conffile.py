# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A config file is updated, kept or overwritten as rpm and dpkg would."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._atomic_file import FileProblem
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._conffile import (
    Decision,
    PlacedFiles,
    Record,
    decide,
    digest,
)

OLD, NEW, EDITED = b"old default", b"new default", b"edited by hand"
AFTER_OLD = Record(digest(OLD), digest(OLD))


@pytest.mark.parametrize(
    ("current", "shipped", "record", "decision", "offer"),
    [
        (None, OLD, Record(), Decision.CREATE, False),
        (OLD, OLD, AFTER_OLD, Decision.NOTHING, False),
        (OLD, NEW, AFTER_OLD, Decision.UPDATE, False),
        (EDITED, OLD, AFTER_OLD, Decision.KEEP, False),
        (EDITED, NEW, AFTER_OLD, Decision.KEEP, True),
        (EDITED, NEW, Record(digest(OLD), digest(NEW)), Decision.KEEP, False),
        (OLD, NEW, Record(digest(OLD), digest(NEW)), Decision.UPDATE, False),
        (EDITED, OLD, Record(), Decision.KEEP, True),
        (OLD, OLD, Record(), Decision.NOTHING, False),
        (None, NEW, AFTER_OLD, Decision.CREATE, False),
    ],
)
def test_decisions(current: bytes | None, shipped: bytes, record: Record, decision: Decision, offer: bool) -> None:
    plan = decide(current, shipped, shipped, record, force=False)
    assert (plan.decision, plan.offer) == (decision, offer)


def test_force_overwrites_an_edited_file() -> None:
    plan = decide(EDITED, NEW, NEW, AFTER_OLD, force=True)
    assert plan.decision is Decision.OVERWRITE
    assert plan.record == Record(digest(NEW), digest(NEW))


def test_a_variable_alone_is_no_new_default() -> None:
    record = Record(digest(b"default with 1"), digest(b"default"))
    assert not decide(EDITED, b"default with 2", b"default", record, force=False).offer
    assert decide(EDITED, b"other with 2", b"other", record, force=False).offer


def test_keeping_remembers_what_was_placed_last() -> None:
    assert decide(EDITED, NEW, NEW, AFTER_OLD, force=False).record == Record(digest(OLD), digest(NEW))


def test_records_survive(tmp_path: Path) -> None:
    state = str(tmp_path / "deep" / "placed.json")
    PlacedFiles(state).put("/a", Record("1", "2"))
    PlacedFiles(state).put("/b", Record("3", None))
    assert PlacedFiles(state).get("/a") == Record("1", "2")
    assert PlacedFiles(state).get("/b") == Record("3", None)
    assert PlacedFiles(state).get("/c") == Record()


def test_plays_at_the_same_time_remember_what_each_of_them_placed(tmp_path: Path) -> None:
    state = str(tmp_path / "placed.json")
    with ThreadPoolExecutor(8) as plays:
        list(plays.map(lambda number: PlacedFiles(state).put(f"/{number}", Record("1", "2")), range(40)))
    assert [number for number in range(40) if PlacedFiles(state).get(f"/{number}") != Record("1", "2")] == []


def test_the_same_record_is_not_written_again(tmp_path: Path) -> None:
    state = tmp_path / "placed.json"
    PlacedFiles(str(state)).put("/a", Record("1", "2"))
    before = state.stat()
    PlacedFiles(str(state)).put("/a", Record("1", "2"))
    assert (state.stat().st_ino, state.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("content", ["{", "[]", json.dumps({"/a": "x"})])
def test_a_damaged_state_file_is_named(tmp_path: Path, content: str) -> None:
    state = tmp_path / "placed.json"
    state.write_text(content)
    with pytest.raises(FileProblem, match=r"placed\.json.*damaged"):
        PlacedFiles(str(state)).get("/a")
