"""Pinned tools in the database: the `ToolPins` of the running service."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Executable, bindparam, select

from aichat_backend.chat.audit import AuditAction
from aichat_backend.storage.audit import AuditEntry, note
from aichat_backend.storage.clock import Clock, utc_now
from aichat_backend.storage.database import Storage
from aichat_backend.storage.tables import tool_pins

if TYPE_CHECKING:
    from aichat_backend.storage.engines import InsertOrUpdate

PINNED = select(tool_pins.c.tool, tool_pins.c.digest).where(
    tool_pins.c.server == bindparam("of_server"), tool_pins.c.entry_digest == bindparam("of_entry")
)


@cache
def _pin(insert_or_nothing: InsertOrUpdate) -> Executable:
    return insert_or_nothing(tool_pins).on_conflict_do_nothing(
        index_elements=[tool_pins.c.server, tool_pins.c.entry_digest, tool_pins.c.tool]
    )


class SqlToolPins:
    """Pinned tools in SQL. A server may call its tools what it likes: names are kept as JSON, which has escapes."""

    def __init__(self, database: Storage, *, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    async def pinned(self, server: str, entry_digest: str) -> Mapping[str, str]:
        """Tool (as its server calls it) → digest, under that state of the server's entry in the configuration."""
        parameters = {"of_server": server, "of_entry": entry_digest}

        def read(connection: Connection) -> Mapping[str, str]:
            return {json.loads(row.tool): row.digest for row in connection.execute(PINNED, parameters)}

        return await self._database.read(read)

    async def pin(self, server: str, entry_digest: str, digests: Mapping[str, str]) -> None:
        """Remember tools that are new; those that are pinned already stay as they are."""
        if not digests:
            return
        statement = _pin(self._database.insert)
        pins = [
            {"server": server, "entry_digest": entry_digest, "tool": json.dumps(tool), "digest": digest}
            for tool, digest in digests.items()
        ]

        pinned = self._entry(AuditAction.TOOLS_PINNED, server, entry_digest, digests)

        def store(connection: Connection) -> None:
            connection.execute(statement, pins)
            note(connection, pinned)

        await self._database.write(store)

    async def note_changes(self, server: str, entry_digest: str, digests: Mapping[str, str]) -> None:
        """Put into the audit trail that these tools are not what they were, or were not there."""
        changed = self._entry(AuditAction.TOOLS_CHANGED, server, entry_digest, digests)
        await self._database.write(lambda connection: note(connection, changed))

    def _entry(self, action: AuditAction, server: str, entry_digest: str, digests: Mapping[str, str]) -> AuditEntry:
        return AuditEntry(
            at=self._clock(),
            action=action,
            tool=server,
            details={"entry_digest": entry_digest, "tools": dict(digests)},
        )
