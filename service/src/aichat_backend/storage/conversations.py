"""Conversations in the database: the `ConversationStore` of the running service."""

from __future__ import annotations

from asyncio import Lock
from collections.abc import Callable
from weakref import WeakValueDictionary

from msgspec.structs import replace
from sqlalchemy import Connection

from aichat_backend.chat.audit import AuditAction
from aichat_backend.chat.conversation import Message, Page, Session, random_id
from aichat_backend.chat.search import FoundSession
from aichat_backend.errors import InvalidRequest, Unavailable
from aichat_backend.storage import queries
from aichat_backend.storage.adding import insert_empty_session
from aichat_backend.storage.audit import AuditEntry, note
from aichat_backend.storage.clock import Clock, utc_now
from aichat_backend.storage.database import Storage
from aichat_backend.storage.erasure import erase_left, take_all
from aichat_backend.storage.errors import OutOfTime
from aichat_backend.storage.leaving import DISOWN_SESSION, disown, nobody_after, remove_left, shorten
from aichat_backend.storage.lookups import named, the_session
from aichat_backend.storage.rows import message_of, session_of
from aichat_backend.storage.search import find, index_new_title
from aichat_backend.storage.text import storable, storable_title

LONGEST_QUERY = 1000
"""Characters of a search."""


class SqlConversationStore:
    """Conversations in SQL. A session's `updated_at` moves with what users do to it; here, rename and clear it."""

    def __init__(self, database: Storage, *, clock: Clock = utc_now, new_id: Callable[[], str] = random_id) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._searches: WeakValueDictionary[str, Lock] = WeakValueDictionary()
        """What each user's searches wait for, while there are some."""

    async def create_session(self, user_id: str, title: str) -> Session:
        """A new, empty session under a fresh random id."""
        now = self._clock()
        session = Session(self._new_id(), user_id, storable_title(title), now, now)

        def create(connection: Connection) -> Session:
            insert_empty_session(connection, session, self._database.insert)
            return session

        return await self._database.write(create)

    async def list_sessions(self, user_id: str, *, page: int, limit: int) -> Page[Session]:
        """Newest activity first."""
        owner = {"owner": user_id}

        def read(connection: Connection) -> Page[Session]:
            total = connection.execute(queries.NUMBER_OF_SESSIONS, owner).scalar_one_or_none() or 0
            statement, bounds = queries.sessions_page(page, limit, total)
            rows = connection.execute(statement, {**owner, **bounds})
            return Page(tuple(map(session_of, rows)), page, limit, total)

        return await self._database.read(read)

    async def find_sessions(self, user_id: str, query: str, *, page: int, limit: int) -> Page[FoundSession]:
        """Those with a title or a message that has words beginning with all of the query's, newest activity first.

        A user's searches run one after the other. One that is cancelled ends soon.

        Raises:
            InvalidRequest: when the query is too long.
            Unavailable: when it takes too long (`search_too_slow`), or the database fails.
        """
        if len(query) > LONGEST_QUERY:
            raise InvalidRequest(f"A search can have {LONGEST_QUERY} characters at most.")
        async with self._searches.setdefault(user_id, Lock()):
            try:
                return await self._database.search(
                    lambda connection: find(connection, user_id, query, page=page, limit=limit)
                )
            except OutOfTime as error:
                raise Unavailable(
                    "The search takes too long. Search for more or for longer words.",
                    code="search_too_slow",
                    detail=error.detail,
                ) from error

    async def get_session(self, user_id: str, session_id: str) -> Session:
        """The session of that id."""
        parameters = named(user_id, session_id)
        return await self._database.read(
            lambda connection: session_of(the_session(connection, queries.SESSION, parameters))
        )

    async def rename_session(self, user_id: str, session_id: str, title: str) -> Session:
        """The session under its new title."""
        parameters = named(user_id, session_id)
        new_title = storable_title(title)
        values = {"new_title": new_title, "now": self._clock()}

        def rename(connection: Connection) -> Session:
            connection.execute(queries.RENAME_SESSION, {**parameters, **values})
            index_new_title(connection, user_id, session_id, new_title)
            return session_of(the_session(connection, queries.SESSION, parameters))

        return await self._database.write(rename)

    async def set_title(self, user_id: str, session_id: str, title: str, *, instead_of: str) -> bool:
        """Change the title if it is still that one; tells whether it was. Not an activity: `updated_at` stays."""
        parameters = named(user_id, session_id)
        new_title = storable(title)
        values = {"new_title": new_title, "old_title": storable(instead_of)}

        def change(connection: Connection) -> bool:
            if connection.execute(queries.SET_TITLE, {**parameters, **values}).rowcount:
                index_new_title(connection, user_id, session_id, new_title)
                return True
            the_session(connection, queries.SESSION, parameters)
            return False

        return await self._database.write(change)

    async def delete_session(self, user_id: str, session_id: str) -> None:
        """Take the session from the user at once, and remove it. Of a long one, `remove_left` removes the rest."""
        parameters = named(user_id, session_id)
        deleted = AuditEntry(
            at=self._clock(), action=AuditAction.SESSION_DELETED, user_id=user_id, session_id=session_id
        )

        def delete(connection: Connection) -> None:
            the_session(connection, queries.LOCKED_SESSION, parameters)
            _remove(connection, parameters)
            note(connection, deleted)

        await self._database.write(delete)

    async def clear_messages(self, user_id: str, session_id: str) -> None:
        """As `delete_session`; in its place is then an empty one that goes by the same name."""
        parameters = named(user_id, session_id)
        now = self._clock()
        cleared = AuditEntry(at=now, action=AuditAction.MESSAGES_CLEARED, user_id=user_id, session_id=session_id)

        def clear(connection: Connection) -> None:
            session = session_of(the_session(connection, queries.LOCKED_SESSION, parameters))
            _remove(connection, parameters)
            insert_empty_session(connection, replace(session, updated_at=now), self._database.insert)
            note(connection, cleared)

        await self._database.write(clear)

    async def take_all(self, user_id: str) -> None:
        """Take from the user at once all there is: sessions, messages, files, approvals, usage."""
        await take_all(self._database, user_id, self._clock())

    async def remove_left(self, user_id: str) -> None:
        """Remove what was taken from the user; no row holds anything of it then."""
        await remove_left(self._database, nobody_after(user_id))

    async def erase_left(self, user_id: str) -> None:
        """As `remove_left`; no file of the database holds anything of it either."""
        await erase_left(self._database, user_id)

    async def list_messages(self, user_id: str, session_id: str, *, page: int | None, limit: int) -> Page[Message]:
        """Oldest first. Without a page: the newest `limit` messages (as the last rows, `page` is then 1)."""
        parameters = named(user_id, session_id)

        def read(connection: Connection) -> Page[Message]:
            (total,) = the_session(connection, queries.NUMBER_OF_MESSAGES, parameters)
            bounds = queries.positions(page, limit, total)
            rows = connection.execute(queries.MESSAGES_PAGE, {**parameters, **bounds})
            return Page(tuple(map(message_of, rows)), page or 1, limit, total)

        return await self._database.read(read)


def _remove(connection: Connection, parameters: dict[str, str]) -> None:
    """Take a session from its user, and remove it as far as one transaction should."""
    for session in disown(connection, DISOWN_SESSION, parameters["owner"], session=parameters["session"]):
        shorten(connection, session)
