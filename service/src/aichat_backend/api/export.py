"""`/sessions/{id}/export`: a whole conversation, to be kept elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec
import structlog
from aiohttp import hdrs, web
from msgspec import UNSET, Struct, UnsetType, structs

from aichat_backend.api.downloads import streamed_download
from aichat_backend.api.endpoints import Content, Parameter, endpoint
from aichat_backend.api.export_markdown import SEPARATOR, messages_as_markdown, opening
from aichat_backend.api.identity import user_of
from aichat_backend.api.observation import REQUEST_ID_HEADER, request_id_of
from aichat_backend.api.parameters import session_of_path
from aichat_backend.attachments.filenames import clean_filename
from aichat_backend.chat.audit import AuditTrail
from aichat_backend.chat.conversation import ConversationStore, Message, MessageStatus, Page, Session
from aichat_backend.chat.parts import Part, ReasoningPart, Role, TextPart, ToolCallPart, Usage
from aichat_backend.errors import ChatError, Conflict, InvalidRequest

_MESSAGES_AT_ONCE = 100
"""What is in memory of a conversation, however long that is."""

_log = structlog.get_logger(__name__)


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
    async def export(self, request: web.Request) -> web.StreamResponse:
        """The whole conversation, to be saved. Files are in it by their names.

        It is sent while it is read. Where it breaks off, so does the connection: what arrived is no whole file.
        """
        user_id, session_id = user_of(request), session_of_path(request)
        format_ = _format_of(request)
        session = await self._store.get_session(user_id, session_id)
        first = await self._page(session, 1)
        await self._audit.exports(user_id, session_id, format_)
        writer = _WRITERS[format_]
        name = clean_filename(session.title.replace("/", "-").replace("\\", "-"))
        response = streamed_download(filename=f"{name}.{writer.suffix}", media_type=writer.media_type)
        response.headers[REQUEST_ID_HEADER] = request_id_of(request)
        await response.prepare(request)
        if request.method != hdrs.METH_HEAD:
            await self._send(request, response, _written(writer, session, self._pages(session, first)))
        return response

    async def _send(self, request: web.Request, response: web.StreamResponse, pieces: AsyncIterator[bytes]) -> None:
        try:
            async for piece in pieces:
                await response.write(piece)
            await response.write_eof()
        except ConnectionResetError:
            # Who asked has left.
            return
        except ChatError as error:
            _log.warning("export_broken_off", reason=error.message, detail=error.detail)
            _break_off(request)
        except Exception:  # noqa: BLE001 - whatever happened, what was sent must not look whole
            _log.exception("export_broken_off")
            _break_off(request)

    async def _pages(self, session: Session, first: Page[Message]) -> AsyncIterator[Sequence[Message]]:
        """The messages that there are at the beginning.

        Raises:
            Conflict: some have gone meanwhile.
        """
        page = first
        while True:
            expected = min(first.total - page.offset, page.limit)
            if len(page.items) < expected:
                raise Conflict("The conversation was cleared while it was exported.")
            yield page.items[:expected]
            if page.offset + page.limit >= first.total:
                return
            page = await self._page(session, page.page + 1)

    async def _page(self, session: Session, number: int) -> Page[Message]:
        return await self._store.list_messages(session.user_id, session.id, page=number, limit=_MESSAGES_AT_ONCE)


def _format_of(request: web.Request) -> ExportFormat:
    text = request.query.get("format") or ExportFormat.JSON
    try:
        return ExportFormat(text)
    except ValueError as error:
        raise InvalidRequest("format: must be json or markdown") from error


def _break_off(request: web.Request) -> None:
    """End the connection in a way that nobody takes for the end of the file."""
    if request.transport is not None:
        request.transport.abort()


class _Writer(NamedTuple):
    """A format, piece by piece."""

    media_type: str
    suffix: str
    opening: Callable[[Session, datetime], bytes]
    messages: Callable[[Sequence[Message]], bytes]
    separator: bytes
    """Between the messages of one page and those of the next."""
    closing: bytes


async def _written(writer: _Writer, session: Session, pages: AsyncIterator[Sequence[Message]]) -> AsyncIterator[bytes]:
    yield writer.opening(session, datetime.now(UTC))
    separator = b""
    async for messages in pages:
        # In a thread: a page of large messages takes a while.
        yield separator + await asyncio.to_thread(writer.messages, messages)
        separator = writer.separator
    yield writer.closing


_CLOSING_OF_JSON = b"]}"


def _json_opening(session: Session, now: datetime) -> bytes:
    return msgspec.json.encode(Export(session, now, ())).removesuffix(_CLOSING_OF_JSON)


def _json_messages(messages: Sequence[Message]) -> bytes:
    return msgspec.json.encode([_exported(message) for message in messages])[1:-1]


def _markdown_opening(session: Session, now: datetime) -> bytes:
    return opening(session, now).encode()


def _markdown_messages(messages: Sequence[Message]) -> bytes:
    """Each page with what separates it from the one before, or from the opening."""
    return (SEPARATOR + messages_as_markdown(messages)).encode() if messages else b""


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


_WRITERS: Mapping[ExportFormat, _Writer] = {
    ExportFormat.JSON: _Writer("application/json", "json", _json_opening, _json_messages, b",", _CLOSING_OF_JSON),
    ExportFormat.MARKDOWN: _Writer(
        "text/markdown; charset=utf-8", "md", _markdown_opening, _markdown_messages, b"", b"\n"
    ),
}
