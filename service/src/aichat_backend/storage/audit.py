"""The audit trail in the database: rows are added, and changed only to take a user out who wants to be erased."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Row, bindparam, insert, select, tuple_, update

from aichat_backend.chat.audit import AuditAction, ToolStart
from aichat_backend.storage import encoding, queries
from aichat_backend.storage.clock import Clock, utc_now
from aichat_backend.storage.database import Storage
from aichat_backend.storage.lookups import named, the_session
from aichat_backend.storage.tables import audit
from aichat_backend.storage.text import storable
from aichat_backend.storage.types import Instant

_A_PAGE = 500
_A_STEP = 1000
_FROM_THE_START = datetime(1970, 1, 1, tzinfo=UTC)

_INSERT = insert(audit)

PAGE = (
    select(audit)
    .where(tuple_(audit.c.at, audit.c.pk) > tuple_(bindparam("after", type_=Instant()), bindparam("after_pk")))
    .order_by(audit.c.at, audit.c.pk)
    .limit(bindparam("limit"))
)
_OF_USER = audit.c.user_id == bindparam("owner")
PAGE_OF_USER = PAGE.where(_OF_USER)
TAKE_OUT_SOME = (
    update(audit)
    .where(audit.c.pk.in_(select(audit.c.pk).where(_OF_USER).limit(bindparam("limit"))))
    .values(user_id=bindparam("alias"), session_id=None, subject=None, details=encoding.encode({}))
)


class AuditEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was decided or done."""

    at: datetime
    action: AuditAction
    user_id: str | None = None
    """Whose it was; a random name for one who was erased; None for what no user did."""
    session_id: str | None = None
    subject: str | None = None
    """The approval, or the call, by its id."""
    tool: str | None = None
    """Server and tool, or the server alone."""
    details: dict[str, Any] = {}
    """Names, numbers and digests."""


def note(connection: Connection, *entries: AuditEntry) -> None:
    """Add entries, in the transaction of what they tell of."""
    connection.execute(
        _INSERT,
        [
            {
                "at": entry.at,
                "action": entry.action.value,
                "user_id": entry.user_id,
                "session_id": entry.session_id,
                "subject": _storable(entry.subject),
                "tool": _storable(entry.tool),
                "details": encoding.encode(entry.details),
            }
            for entry in entries
        ],
    )


def tool_started(start: ToolStart, at: datetime) -> AuditEntry:
    """The entry on a tool call that begins."""
    return AuditEntry(
        at=at,
        action=AuditAction.TOOL_STARTED,
        user_id=start.user_id,
        session_id=start.session_id,
        subject=start.call_id,
        tool=start.tool,
        details={
            "policy": start.policy,
            "tool_digest": start.tool_digest,
            "arguments_digest": start.arguments_digest,
        },
    )


def take_out_some(connection: Connection, user_id: str, alias: str) -> int:
    """Leave of some entries of a user when which tool ran and what kind of thing was done; how many these were."""
    return connection.execute(TAKE_OUT_SOME, {"owner": user_id, "alias": alias, "limit": _A_STEP}).rowcount


def read_entries(
    connection: Connection, *, since: datetime | None = None, user_id: str | None = None
) -> Iterator[AuditEntry]:
    """All entries, oldest first; those of one user, where that is given."""
    statement = PAGE if user_id is None else PAGE_OF_USER
    # No entry has the row number 0, so those of the very moment are in.
    parameters = {"owner": user_id, "after": since or _FROM_THE_START, "after_pk": 0, "limit": _A_PAGE}
    while rows := connection.execute(statement, parameters).all():
        yield from map(_entry, rows)
        parameters |= {"after": rows[-1].at, "after_pk": rows[-1].pk}


class SqlAuditTrail:
    """The audit trail of the running service."""

    def __init__(self, database: Storage, *, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    async def exports(self, user_id: str, session_id: str, format_: str) -> None:
        """Note that a session leaves as a file.

        Raises:
            NotFound: it is no longer the user's.
        """
        parameters = named(user_id, session_id)
        entry = AuditEntry(
            at=self._clock(),
            action=AuditAction.SESSION_EXPORTED,
            user_id=user_id,
            session_id=session_id,
            details={"format": format_},
        )

        def note_export(connection: Connection) -> None:
            # Of a user who has been erased meanwhile, nothing must be noted any more.
            the_session(connection, queries.HOLD_SESSION, parameters)
            note(connection, entry)

        await self._database.write(note_export)

    async def entries(self, *, since: datetime | None = None, user_id: str | None = None) -> Sequence[AuditEntry]:
        """All entries, oldest first; those of one user, where that is given."""
        return await self._database.read(
            lambda connection: tuple(read_entries(connection, since=since, user_id=user_id))
        )


def _storable(text: str | None) -> str | None:
    return None if text is None else storable(text)


def _entry(row: Row[*tuple[Any, ...]]) -> AuditEntry:
    return AuditEntry(
        at=row.at,
        action=AuditAction(row.action),
        user_id=row.user_id,
        session_id=row.session_id,
        subject=row.subject,
        tool=row.tool,
        details=encoding.decode_details(row.details),
    )
