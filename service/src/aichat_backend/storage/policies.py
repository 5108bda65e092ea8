"""Policies in the database: the `PolicyTrail` of the running service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Executable, bindparam, delete, select

from aichat_backend.chat.audit import AuditAction
from aichat_backend.chat.tools import ServerPolicy
from aichat_backend.storage.audit import AuditEntry, note
from aichat_backend.storage.clock import Clock, utc_now
from aichat_backend.storage.database import Storage
from aichat_backend.storage.tables import server_policies

if TYPE_CHECKING:
    from aichat_backend.storage.engines import InsertOrUpdate

KNOWN = select(server_policies.c.server, server_policies.c.entry_digest)
REMOVE = delete(server_policies).where(server_policies.c.server == bindparam("of_server"))


@cache
def _put(insert_or_update: InsertOrUpdate) -> Executable:
    """Touches no row that is like that already, and returns those that it has changed."""
    put = insert_or_update(server_policies)
    return put.on_conflict_do_update(
        index_elements=[server_policies.c.server],
        set_={"entry_digest": put.excluded.entry_digest},
        where=server_policies.c.entry_digest != put.excluded.entry_digest,
    ).returning(server_policies.c.server)


class SqlPolicyTrail:
    """The policies that were in force last, by the digests of their entries; what they say is in the audit trail."""

    def __init__(self, database: Storage, *, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    async def note(self, in_force: Sequence[ServerPolicy]) -> None:
        """Put into the audit trail what is not as it was when that was last done: one entry for each such server."""
        wanted = {policy.server: policy.entry_digest for policy in in_force}
        if await self._database.read(_known) == wanted:
            return
        # In the same order everywhere: processes that note the same at the same time do not get in each other's way.
        policies = sorted(in_force, key=lambda policy: policy.server)
        statement, now = _put(self._database.insert), self._clock()

        def store(connection: Connection) -> None:
            removed = [
                _entry_on_removal(server, now)
                for server in sorted(_known(connection).keys() - wanted.keys())
                if connection.execute(REMOVE, {"of_server": server}).rowcount
            ]
            changed = [
                _entry_on(policy, now)
                for policy in policies
                if connection.execute(statement, {"server": policy.server, "entry_digest": policy.entry_digest}).all()
            ]
            if entries := (*removed, *changed):
                note(connection, *entries)

        await self._database.write(store)


def _known(connection: Connection) -> Mapping[str, str]:
    return {row.server: row.entry_digest for row in connection.execute(KNOWN)}


def _entry_on(policy: ServerPolicy, at: datetime) -> AuditEntry:
    return AuditEntry(
        at=at,
        action=AuditAction.POLICY_CHANGED,
        tool=policy.server,
        details={
            "entry_digest": policy.entry_digest,
            "enabled": policy.enabled,
            "trusted": policy.trusted,
            "policy": policy.default,
            "tools": dict(policy.by_tool),
            "read_only": list(policy.read_only),
        },
    )


def _entry_on_removal(server: str, at: datetime) -> AuditEntry:
    return AuditEntry(at=at, action=AuditAction.POLICY_REMOVED, tool=server)
