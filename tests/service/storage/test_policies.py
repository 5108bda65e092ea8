"""The audit trail tells of each change of a tool server's policy once, whichever process notes it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aichat_backend.chat.audit import AuditAction
from aichat_backend.chat.tools import ToolPolicy
from aichat_backend.storage.audit import AuditEntry, SqlAuditTrail
from aichat_backend.storage.database import Database
from aichat_backend.storage.policies import SqlPolicyTrail
from fakes.policies import policy
from fakes.sql import column

FILES, PMM = policy(), policy(server="pmm-mcp", enabled=False)
EDITED = policy(entry_digest="second", default=ToolPolicy.AUTO)


async def told(database: Database) -> Sequence[AuditEntry]:
    return await SqlAuditTrail(database).entries()


async def steps(database: Database) -> list[tuple[str, str | None, str | None]]:
    """What was done with which server, and the digest of its entry then."""
    return [(entry.action.value, entry.tool, entry.details.get("entry_digest")) for entry in await told(database)]


async def test_a_policy_that_comes_into_force_is_told_with_all_it_says(
    database: Database, policies: SqlPolicyTrail
) -> None:
    await policies.note([FILES])

    (entry,) = await told(database)
    assert (entry.action, entry.user_id, entry.tool) == (AuditAction.POLICY_CHANGED, None, "files")
    assert entry.details == {
        "entry_digest": "first",
        "enabled": True,
        "trusted": False,
        "policy": "ask",
        "tools": {"write_*": "deny"},
        "read_only": ["read_*"],
    }


async def test_what_is_as_it_was_is_not_told_again_by_whichever_process(
    database: Database, policies: SqlPolicyTrail
) -> None:
    await policies.note([FILES, PMM])
    await policies.note([FILES, PMM])
    await SqlPolicyTrail(database).note([PMM, FILES])

    assert await steps(database) == [("policy_changed", "files", "first"), ("policy_changed", "pmm-mcp", "first")]


async def test_an_edit_back_to_what_it_once_was_is_told(database: Database, policies: SqlPolicyTrail) -> None:
    for in_force in (FILES, EDITED, FILES):
        await policies.note([in_force, PMM])

    assert [step for step in await steps(database) if step[1] == "files"] == [
        ("policy_changed", "files", "first"),
        ("policy_changed", "files", "second"),
        ("policy_changed", "files", "first"),
    ]
    assert len(await told(database)) == 4


async def test_a_server_that_goes_is_told_and_told_anew_when_it_comes_back(
    database: Database, policies: SqlPolicyTrail
) -> None:
    await policies.note([FILES, PMM])
    await policies.note([PMM])
    await policies.note([PMM])
    await policies.note([FILES, PMM])

    assert (await steps(database))[2:] == [("policy_removed", "files", None), ("policy_changed", "files", "first")]
    assert await column(database, "SELECT server FROM server_policies ORDER BY server") == ["files", "pmm-mcp"]


async def test_of_many_that_note_the_same_at_once_one_tells(database: Database) -> None:
    await asyncio.gather(*(SqlPolicyTrail(database).note([FILES, PMM]) for _ in range(20)))
    await asyncio.gather(*(SqlPolicyTrail(database).note([EDITED]) for _ in range(20)))

    assert sorted(await steps(database)) == [
        ("policy_changed", "files", "first"),
        ("policy_changed", "files", "second"),
        ("policy_changed", "pmm-mcp", "first"),
        ("policy_removed", "pmm-mcp", None),
    ]
