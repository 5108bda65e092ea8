"""Fifty users write at once, through two processes on one SQLite file: each is served, none hears of a lock."""

from __future__ import annotations

import sqlite3
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from fakes.program import Service

pytestmark = [pytest.mark.starts_processes, pytest.mark.thorough]

WRITERS = 50
ROUNDS = 6
FREELY = {"AICHAT_MAX_RUNS_PER_USER": "1000", "AICHAT_MAX_MESSAGES_PER_MINUTE": "100000", "AICHAT_AUTO_TITLES": "false"}


def test_fifty_writers_on_two_processes_are_all_served(tmp_path: Path) -> None:
    with Service(tmp_path, **FREELY) as first, Service(tmp_path, **FREELY) as second:
        services = (first, second)
        began = [len(service.log) for service in services]

        def write(number: int) -> list[int]:
            """One after the other in a session of its own, now here, now there."""
            statuses = []
            for turn in range(ROUNDS):
                service = services[(number + turn) % 2]
                statuses.append(service.ask(f"question {turn}", f"session-{number}").status)
                renamed = service.request("PUT", f"/v1/chat/sessions/session-{number}", {"title": f"{number} {turn}"})
                statuses.append(renamed.status)
            return statuses

        with ThreadPoolExecutor(WRITERS) as writers:
            answered = Counter(status for statuses in writers.map(write, range(WRITERS)) for status in statuses)

        assert answered == {200: WRITERS * ROUNDS * 2}
        assert [line for service in services for line in service.log if "locked" in str(line)] == []
        logged = [line for service, start in zip(services, began, strict=True) for line in service.log[start:]]
        assert [line for line in logged if line["level"] != "info"] == []
    with closing(sqlite3.connect(tmp_path / "chat.db")) as database:
        found = database.execute("SELECT role, count(*) FROM messages GROUP BY role").fetchall()
        assert dict(found) == {"user": WRITERS * ROUNDS, "assistant": WRITERS * ROUNDS}
