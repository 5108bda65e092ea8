"""Conversations as rows, and rows as conversations."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from aichat_backend.chat.approvals import Approval, ApprovalStatus
from aichat_backend.chat.conversation import Message, MessageStatus, Session, shown_text
from aichat_backend.chat.parts import AttachmentPart, Role, Usage
from aichat_backend.storage import encoding
from aichat_backend.storage.tables import approvals, attachments, messages, sessions
from aichat_backend.storage.text import storable

_MOST_TOKENS = 2**31 - 1
"""Of one answer: what an integer column holds on every database."""

SESSION_COLUMNS = (
    sessions.c.id,
    sessions.c.user_id,
    sessions.c.title,
    sessions.c.created_at,
    sessions.c.updated_at,
)
MESSAGE_COLUMNS = (
    messages.c.id,
    messages.c.role,
    messages.c.status,
    messages.c.parts,
    messages.c.context,
    messages.c.input_tokens,
    messages.c.output_tokens,
    messages.c.model,
    messages.c.created_at,
    approvals.c.status.label("approval_status"),
    approvals.c.calls.label("approval_calls"),
    approvals.c.approved_ids.label("approval_approved_ids"),
    approvals.c.created_at.label("approval_created_at"),
    approvals.c.expires_at.label("approval_expires_at"),
)
"""Of `messages` joined with the approvals that some of them have."""

ATTACHMENT_COLUMNS = (
    attachments.c.id,
    attachments.c.filename,
    attachments.c.mime_type,
    attachments.c.size,
    attachments.c.sha256,
)


def session_of(row: Row[*tuple[Any, ...]]) -> Session:
    """The session of a row of `SESSION_COLUMNS`."""
    return Session(row.id, row.user_id, row.title, row.created_at, row.updated_at)


def session_row(session: Session, *, message_count: int) -> dict[str, Any]:
    """The row of a session."""
    return {
        "id": session.id,
        "user_id": session.user_id,
        "title": session.title,
        "created_at": session.created_at,
        "updated_at": session.updated_at,
        "message_count": message_count,
    }


def message_of(row: Row[*tuple[Any, ...]]) -> Message:
    """The message of a row of `MESSAGE_COLUMNS`."""
    counted = row.input_tokens is not None and row.output_tokens is not None
    return Message(
        id=row.id,
        role=Role(row.role),
        parts=encoding.decode_parts(row.parts),
        status=MessageStatus(row.status),
        created_at=row.created_at,
        context=encoding.decode_context(row.context),
        usage=Usage(row.input_tokens, row.output_tokens) if counted else None,
        model=row.model,
        approval=approval_of(row) if row.approval_status is not None else None,
    )


def said(parts: str) -> str:
    """The text to show of a message, from the column with its parts."""
    return shown_text(encoding.decode_parts(parts))


def message_row(message: Message, session_pk: int, position: int) -> dict[str, Any]:
    """The row of a message at that position of a session."""
    return {
        "id": message.id,
        "session_pk": session_pk,
        "position": position,
        "role": message.role.value,
        "status": message.status.value,
        "parts": encoding.encode(message.parts),
        "context": encoding.encode(message.context),
        "model": None if message.model is None else storable(message.model),
        "created_at": message.created_at,
        **(usage_row(message.usage) if message.usage is not None else {"input_tokens": None, "output_tokens": None}),
    }


def usage_row(usage: Usage) -> dict[str, int]:
    """Counted tokens. An answer must not be lost because its provider counts nonsense."""
    return {
        "input_tokens": min(usage.input_tokens, _MOST_TOKENS),
        "output_tokens": min(usage.output_tokens, _MOST_TOKENS),
    }


def approval_of(row: Row[*tuple[Any, ...]]) -> Approval:
    """The approval of a row of `MESSAGE_COLUMNS` that has one."""
    return Approval(
        id=row.id,
        calls=encoding.decode_calls(row.approval_calls),
        status=ApprovalStatus(row.approval_status),
        approved_ids=encoding.decode_ids(row.approval_approved_ids),
        created_at=row.approval_created_at,
        expires_at=row.approval_expires_at,
    )


def approval_row(approval: Approval, message_pk: int, session_pk: int) -> dict[str, Any]:
    """The row of an approval."""
    return {
        "message_pk": message_pk,
        "session_pk": session_pk,
        "status": approval.status.value,
        "calls": encoding.encode(approval.calls),
        "approved_ids": encoding.encode(approval.approved_ids),
        "created_at": approval.created_at,
        "expires_at": approval.expires_at,
    }


def attachment_of(row: Row[*tuple[Any, ...]]) -> AttachmentPart:
    """The attachment of a row of `ATTACHMENT_COLUMNS`."""
    return AttachmentPart(row.id, row.filename, row.mime_type, row.size, row.sha256)


def attachment_row(attachment: AttachmentPart, message_pk: int) -> dict[str, Any]:
    """The row of a message's attachment."""
    return {
        "id": attachment.id,
        "message_pk": message_pk,
        "filename": storable(attachment.filename),
        "mime_type": storable(attachment.mime_type),
        "size": attachment.size,
        "sha256": attachment.sha256,
    }
