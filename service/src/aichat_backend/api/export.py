"""`/sessions/{id}/export`: a whole conversation, to be kept elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum

import msgspec
from aiohttp import web
from msgspec import UNSET, Struct, UnsetType, structs

from aichat_backend.api.downloads import download
from aichat_backend.api.endpoints import Content, Parameter, endpoint
from aichat_backend.api.export_markdown import markdown_of
from aichat_backend.api.identity import user_of
from aichat_backend.api.parameters import session_of_path
from aichat_backend.attachments.filenames import clean_filename
from aichat_backend.chat.audit import AuditTrail
from aichat_backend.chat.conversation import ConversationStore, Message, MessageStatus, Session
from aichat_backend.chat.parts import Part, ReasoningPart, Role, TextPart, ToolCallPart, Usage
from aichat_backend.errors import InvalidRequest


class ExportFormat(StrEnum):
    """What a conversation can be saved as."""

    JSON = "json"
    MARKDOWN = "markdown"


class ExportedMessage(Struct, frozen=True, kw_only=True):
    """A message with all its parts: reasoning, text, files, tool calls and their results, in their order."""

    id: str
    role: Role
    created_at: datetime
    status: MessageStatus
    parts: Sequence[Part]
    context: Mapping[str, str] | UnsetType = UNSET
    model: str | UnsetType = UNSET
    usage: Usage | UnsetType = UNSET


class Export(Struct, frozen=True):
    """A conversation."""

    session: Session
    exported_at: datetime
    messages: Sequence[ExportedMessage]


_FILE = Content(
    ("application/json", "text/markdown"),
    (Export,),
    headers={"Content-Disposition": "An attachment named by the title."},
)


class ExportResource:
    """Conversations of the caller, as files."""

    def __init__(self, store: ConversationStore, audit: AuditTrail) -> None:
        self._store = store
        self._audit = audit

    @endpoint(
        "GET",
        "/sessions/{session_id}/export",
        {200: _FILE},
        parameters=(Parameter("format", ExportFormat, "JSON when it is not given."),),
        errors=(400,),
    )
    async def export(self, request: web.Request) -> web.Response:
        """The whole conversation, to be saved. Files are in it by their names."""
        user_id, session_id = user_of(request), session_of_path(request)
        format_ = _format_of(request)
        session = await self._store.get_session(user_id, session_id)
        messages = await self._store.history(user_id, session_id)
        await self._audit.exports(user_id, session_id, format_)
        media_type, suffix, write = _WRITERS[format_]
        name = clean_filename(session.title.replace("/", "-").replace("\\", "-"))
        data = write(session, messages, datetime.now(UTC))
        return download(data, filename=f"{name}.{suffix}", media_type=media_type)


def _format_of(request: web.Request) -> ExportFormat:
    text = request.query.get("format") or ExportFormat.JSON
    try:
        return ExportFormat(text)
    except ValueError as error:
        raise InvalidRequest("format: must be json or markdown") from error


def _json(session: Session, messages: Sequence[Message], now: datetime) -> bytes:
    return msgspec.json.encode(Export(session, now, [_exported(message) for message in messages]))


def _markdown(session: Session, messages: Sequence[Message], now: datetime) -> bytes:
    return markdown_of(session, messages, now).encode()


def _exported(message: Message) -> ExportedMessage:
    return ExportedMessage(
        id=message.id,
        role=message.role,
        created_at=message.created_at,
        status=message.status,
        parts=[_without_state(part) for part in message.parts],
        context=message.context or UNSET,
        model=message.model or UNSET,
        usage=message.usage or UNSET,
    )


def _without_state(part: Part) -> Part:
    """What only its provider understands stays here."""
    return structs.replace(part, state=None) if isinstance(part, TextPart | ReasoningPart | ToolCallPart) else part


_Writer = Callable[[Session, Sequence[Message], datetime], bytes]
_WRITERS: Mapping[ExportFormat, tuple[str, str, _Writer]] = {
    ExportFormat.JSON: ("application/json", "json", _json),
    ExportFormat.MARKDOWN: ("text/markdown; charset=utf-8", "md", _markdown),
}
