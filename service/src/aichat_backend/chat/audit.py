"""The audit trail: what was decided and done, for an operator to read; nothing of what was said."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from msgspec import Struct


class AuditAction(StrEnum):
    """What an entry is about."""

    APPROVED = "approved"
    """The user let calls run, all or some of those that waited."""
    DENIED = "denied"
    SUPERSEDED = "superseded"
    """The user went on without deciding, which denies it."""
    APPROVAL_RETURNED = "approval_returned"
    """Nothing of what was decided was carried out; the approval waits again."""
    TOOL_STARTED = "tool_started"
    SESSION_DELETED = "session_deleted"
    SESSION_EXPIRED = "session_expired"
    """Deleted because nobody had used it for as long as sessions are kept."""
    MESSAGES_CLEARED = "messages_cleared"
    ANSWER_REPLACED = "answer_replaced"
    """Another answer to the same question came in its place."""
    SESSION_EXPORTED = "session_exported"
    USER_ERASED = "user_erased"
    TOOLS_PINNED = "tools_pinned"
    """The tools of a server's entry that is new or was edited, its policy among it, are taken for what they are now."""
    POLICY_CHANGED = "policy_changed"
    """The entry of a tool server that is in force is new, or another one than before."""
    POLICY_REMOVED = "policy_removed"
    """A tool server has no entry in force any more."""
    TOOLS_CHANGED = "tools_changed"
    """Tools of a server are not what they were when they were pinned; they are asked for from now on."""


class ToolStart(Struct, frozen=True, kw_only=True):
    """A tool call that is about to run."""

    user_id: str
    session_id: str
    call_id: str
    tool: str
    """Its server and its name there."""
    policy: str
    """Whether it runs by itself, or because the user was asked."""
    tool_digest: str
    arguments_digest: str


class AuditTrail(Protocol):
    """Entries on what changes nothing else in the store. All others come with the change, in one transaction.

    Raises:
        Unavailable: when the database does not answer; what was to be noted must not happen then.
    """

    async def exports(self, user_id: str, session_id: str, format_: str) -> None:
        """Note that a session leaves as a file; to be awaited before it does.

        Raises:
            NotFound: it is no longer the user's; nothing is noted.
        """
