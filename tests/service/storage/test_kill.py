"""What was reported as stored is there, even when the process is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from aichat_backend.storage.database import Database
from fakes.conversations import all_messages
from fakes.processes import STARTS_PROCESSES
from fakes.sql import column
from fakes.stores import Store

pytestmark = STARTS_PROCESSES

CHILD = Path(__file__).with_name("child.py")


@pytest.mark.parametrize("reports", [1, 40, 150])
async def test_every_reported_message_survives_a_kill(empty_url: str, kind: str, reports: int) -> None:
    reported = _reported_until_killed(empty_url, reports)

    database = await Database.open(empty_url)
    await database.upgrade()
    store = Store(database)
    stored = {
        (user_id, message.id)
        for user_id in ("1", "2")
        if (await store.list_sessions(user_id, page=1, limit=1)).total
        for message in await all_messages(store, user_id, "s")
    }
    verdict = await column(database, "PRAGMA integrity_check") if kind == "sqlite" else ["ok"]
    await database.close()

    assert len(reported) >= reports
    assert reported <= stored
    assert verdict == ["ok"]


def _reported_until_killed(url: str, reports: int) -> set[tuple[str, ...]]:
    with subprocess.Popen([sys.executable, CHILD, "write", url], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        lines = [child.stdout.readline() for _ in range(reports)]
        child.kill()
        lines += child.stdout.readlines()
    return {tuple(line.split()) for line in lines if line.endswith("\n")}
