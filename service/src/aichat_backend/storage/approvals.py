"""The statements on approvals, and the one way to claim one."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace
from sqlalchemy import Connection, bindparam, insert, select, update

from aichat_backend.chat.approvals import Approval, ApprovalStatus, Decision
from aichat_backend.chat.audit import AuditAction
from aichat_backend.chat.conversation import Message, Session
from aichat_backend.errors import Conflict, InvalidRequest
from aichat_backend.storage import encoding
from aichat_backend.storage.audit import AuditEntry, note
from aichat_backend.storage.queries import OF_OWNER
from aichat_backend.storage.rows import MESSAGE_COLUMNS, approval_row
from aichat_backend.storage.tables import approvals, messages, sessions

APPROVAL = (
    select(approvals.c.message_pk, messages.c.position, sessions.c.id.label("session_id"), *MESSAGE_COLUMNS)
    .select_from(approvals.join(messages, messages.c.pk == approvals.c.message_pk).join(sessions))
    .where(messages.c.id == bindparam("message"), OF_OWNER)
)
"""A user's approval, in whichever session it is."""

_IS_PENDING = approvals.c.status == ApprovalStatus.PENDING.value

_INSERT = insert(approvals)
_CLAIM = (
    update(approvals)
    .where(approvals.c.message_pk == bindparam("message_pk_"), _IS_PENDING)
    .values(status=bindparam("decided"), approved_ids=bindparam("approved"))
)
_RETURN = (
    update(approvals)
    .where(approvals.c.message_pk == bindparam("message_pk_"), approvals.c.status == ApprovalStatus.APPROVED.value)
    .values(status=ApprovalStatus.PENDING.value, approved_ids=encoding.encode(()))
)
_SUPERSEDE = (
    update(approvals)
    .where(approvals.c.session_pk == bindparam("session_pk_"), _IS_PENDING)
    .values(status=ApprovalStatus.SUPERSEDED.value)
)


def insert_approval(connection: Connection, approval: Approval, message_pk: int, session_pk: int) -> None:
    """Store what a message asks."""
    connection.execute(_INSERT, approval_row(approval, message_pk, session_pk))


def supersede(
    connection: Connection, session: Session, session_pk: int, history: tuple[Message, ...], now: datetime
) -> tuple[Message, ...]:
    """Leave no approval of the session pending; the history says so."""
    if not any(_pending(message) for message in history):
        return history
    connection.execute(_SUPERSEDE, {"session_pk_": session_pk})
    for message in history:
        if _pending(message):
            note_decision(connection, AuditAction.SUPERSEDED, message, session, now)
    return tuple(_superseded(message) if _pending(message) else message for message in history)


def claim(
    connection: Connection, approval: Approval, message_pk: int, decision: Decision, now: datetime
) -> ApprovalStatus:
    """Let the approval leave its pending state by this decision, unless another one was first; tells for which.

    Raises:
        Conflict: it is decided already, or it can no longer be approved.
        InvalidRequest: the decision names a call that the approval is not about.
    """
    if approval.status is not ApprovalStatus.PENDING:
        raise _decided()
    approved = _approved_ids(approval, decision)
    if approved and now >= approval.expires_at:
        raise Conflict("This approval has expired; ask again.", code="approval_expired")
    status = ApprovalStatus.APPROVED if approved else ApprovalStatus.DENIED
    values = {"message_pk_": message_pk, "decided": status.value, "approved": encoding.encode(approved)}
    if not connection.execute(_CLAIM, values).rowcount:
        raise _decided()
    return status


def unclaim(connection: Connection, message_pk: int) -> bool:
    """Let an approval that was given be pending once more; tells whether it was given."""
    return bool(connection.execute(_RETURN, {"message_pk_": message_pk}).rowcount)


def note_decision(connection: Connection, action: AuditAction, asked: Message, session: Session, now: datetime) -> None:
    """Put into the audit trail what became of the approval that the message asks for."""
    assert asked.approval is not None  # noqa: S101
    calls = [
        {"call_id": call.call_id, "tool_digest": call.tool_digest, "arguments_digest": call.arguments_digest}
        for call in asked.approval.calls
    ]
    details: dict[str, object] = {"calls": calls}
    if action is AuditAction.APPROVED:
        details["approved_ids"] = asked.approval.approved_ids
    note(
        connection,
        AuditEntry(
            at=now,
            action=action,
            user_id=session.user_id,
            session_id=session.id,
            subject=asked.id,
            details=details,
        ),
    )


def _approved_ids(approval: Approval, decision: Decision) -> tuple[str, ...]:
    """The calls that may run, in their order."""
    known = [call.call_id for call in approval.calls]
    if decision.approved and decision.call_ids is not None and not decision.call_ids <= set(known):
        raise InvalidRequest("The decision names a tool call that this approval is not about.")
    return tuple(call_id for call_id in known if decision.approves(call_id))


def _pending(message: Message) -> bool:
    return message.approval is not None and message.approval.status is ApprovalStatus.PENDING


def _superseded(message: Message) -> Message:
    assert message.approval is not None  # noqa: S101
    return replace(message, approval=replace(message.approval, status=ApprovalStatus.SUPERSEDED))


def _decided() -> Conflict:
    return Conflict("This approval has been decided already.", code="approval_decided")
