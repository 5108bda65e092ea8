"""`/sessions`: create, list, read, rename and delete sessions, and their messages."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

from aiohttp import web
from msgspec import Struct

from aichat_backend.api.endpoints import Parameter, as_json, endpoint
from aichat_backend.api.identity import user_of
from aichat_backend.api.json import json_response, read_json
from aichat_backend.api.parameters import PAGE, limit_of, limit_parameter, page_of, session_id_given, session_of_path
from aichat_backend.api.representations import (
    Confirmation,
    MessageList,
    SessionList,
    found_list,
    message_list,
    session_list,
)
from aichat_backend.chat.assistant import Assistant
from aichat_backend.chat.conversation import ConversationStore, Session
from aichat_backend.chat.search import SessionSearch
from aichat_backend.chat.titles import UNTITLED
from aichat_backend.errors import InvalidRequest

MAX_TITLE_LENGTH = 200

_ONE = "/sessions/{session_id}"
_SESSIONS_A_PAGE = 20
_MESSAGES_A_PAGE = 50
_LONGEST_QUERY = 200


class NewSession(Struct, frozen=True):
    """The body of a request for a new session."""

    title: str | None = None


class NewTitle(Struct, frozen=True):
    """The body of a request to rename a session."""

    title: str


class SessionResource:
    """The sessions of the caller."""

    def __init__(self, store: ConversationStore, search: SessionSearch, assistant: Assistant) -> None:
        self._store = store
        self._search = search
        self._assistant = assistant

    @endpoint("POST", "/sessions", {201: as_json(Session)}, body=as_json(NewSession, required=False))
    async def create(self, request: web.Request) -> web.Response:
        """A new session; without a title it gets the default one."""
        body = await read_json(request, NewSession, empty=NewSession())
        title = _checked_title(body.title or "") or UNTITLED
        return json_response(await self._store.create_session(user_of(request), title), status=201)

    @endpoint(
        "GET",
        "/sessions",
        {200: as_json(SessionList)},
        parameters=(
            PAGE,
            limit_parameter(_SESSIONS_A_PAGE),
            Parameter(
                "q", str, "Words; only sessions are listed with a title or a message in which all of them begin."
            ),
        ),
    )
    async def list(self, request: web.Request) -> web.Response:
        """One page of sessions, newest activity first; with a search those that it finds, and what it finds there."""
        user_id, page, limit = user_of(request), page_of(request), limit_of(request, _SESSIONS_A_PAGE)
        query = request.query.get("q", "").strip()[:_LONGEST_QUERY]
        if query:
            return json_response(found_list(await self._search.find_sessions(user_id, query, page=page, limit=limit)))
        return json_response(session_list(await self._store.list_sessions(user_id, page=page, limit=limit)))

    @endpoint("GET", _ONE, {200: as_json(Session)})
    async def read(self, request: web.Request) -> web.Response:
        """One session."""
        return json_response(await self._store.get_session(user_of(request), session_of_path(request)))

    @endpoint("PUT", _ONE, {200: as_json(Confirmation)}, body=as_json(NewTitle))
    async def rename(self, request: web.Request) -> web.Response:
        """Give a session another title."""
        session_id = session_of_path(request)
        title = _checked_title((await read_json(request, NewTitle)).title)
        if not title:
            raise InvalidRequest("title: must not be empty")
        await self._store.rename_session(user_of(request), session_id, title)
        return json_response(Confirmation("Session updated"))

    @endpoint("DELETE", _ONE, {200: as_json(Confirmation)})
    async def delete(self, request: web.Request) -> web.Response:
        """Delete a session with its messages. An answer under way is stopped, and stores nothing."""
        user_id, session_id = user_of(request), session_of_path(request)
        await self._assistant.delete_session(user_id, session_id)
        return json_response(Confirmation("Session deleted"))

    @endpoint(
        "GET",
        f"{_ONE}/messages",
        {200: as_json(MessageList)},
        parameters=(PAGE, limit_parameter(_MESSAGES_A_PAGE)),
    )
    async def messages(self, request: web.Request) -> web.Response:
        """One page of messages, oldest first; without `page` the newest ones."""
        page = await self._store.list_messages(
            user_of(request),
            session_of_path(request),
            page=page_of(request) if "page" in request.query else None,
            limit=limit_of(request, _MESSAGES_A_PAGE),
        )
        return json_response(message_list(page, datetime.now(UTC)))

    @endpoint("DELETE", f"{_ONE}/messages", {200: as_json(Confirmation)})
    async def clear(self, request: web.Request) -> web.Response:
        """Delete a session's messages, keep the session."""
        return await self._clear(user_of(request), session_of_path(request))

    @endpoint(
        "DELETE",
        "/clear",
        {200: as_json(Confirmation)},
        parameters=(Parameter("session_id", str, "The session.", required=True),),
        errors=(400, 404),
    )
    async def clear_named(self, request: web.Request) -> web.Response:
        """The older form of `clear`, with the session in the query."""
        session_id = session_id_given(request.query.get("session_id"))
        if session_id is None:
            raise InvalidRequest("session_id: must be given")
        return await self._clear(user_of(request), session_id)

    async def _clear(self, user_id: str, session_id: str) -> web.Response:
        await self._assistant.clear_messages(user_id, session_id)
        return json_response(Confirmation("Messages cleared"))


def _checked_title(title: str) -> str:
    title = title.strip()
    if len(title) > MAX_TITLE_LENGTH:
        raise InvalidRequest(f"title: must have at most {MAX_TITLE_LENGTH} characters")
    if any(unicodedata.category(character) == "Cc" for character in title):
        raise InvalidRequest("title: must not contain control characters")
    return title
