"""A database as it is after years: filled with plain SQL, as no service could in the time."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from aichat_backend.storage.database import Database
from aichat_backend.storage.words import owned_word

COMMON = "common7"
"""A word that is in one of ten messages."""
RARE = "rare"
"""What words begin with of which each is in few messages."""

_COMMON_OF_A_MESSAGE = 20
_RARE_OF_A_MESSAGE = 5
_TALK = random.Random(0).choices([f"common{number}" for number in range(200)], k=100_000)
"""Any piece of it is a message: drawing each word by itself would take most of the time."""
_RARE_WORDS = [f"{RARE}{number}" for number in range(20_000)]
_FIRST_MOMENT = 1_700_000_000_000_000
_MINUTE = 60_000_000
_ROWS_AT_A_TIME = 5_000


@dataclass(frozen=True)
class Size:
    """How much there is of so many users who have as much as each other."""

    users: int
    sessions_of_a_user: int = 40
    messages_of_a_session: int = 50

    @property
    def messages_of_a_user(self) -> int:
        """In all sessions."""
        return self.sessions_of_a_user * self.messages_of_a_session

    @property
    def messages(self) -> int:
        """Of all users."""
        return self.users * self.messages_of_a_user


class _Message(NamedTuple):
    pk: int
    id: str
    session_pk: int
    role: str
    status: str
    parts: str
    context: str
    position: int
    created_at: int


class _Document(NamedTuple):
    session_pk: int
    message_pk: int | None
    words: str


def fill(path: Path, *sizes: Size) -> None:
    """Make a SQLite database of that size. Users have numbers from 1 on, those of the first size the first ones.

    Whoever has the same number, and as much as another, has the same conversations in every database.
    """
    asyncio.run(_make(path))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -200000")
        connection.execute("BEGIN IMMEDIATE")
        for name, _sql in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for user, first_session, first_message, size in _users(sizes):
            _add_user(connection, user, first_session, first_message, size)
        connection.execute("INSERT INTO search_index (search_index) VALUES ('rebuild')")
        for _name, sql in triggers:
            connection.execute(sql)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


async def _make(path: Path) -> None:
    database = await Database.open(f"sqlite:///{path}")
    await database.upgrade()
    await database.close()


def _users(sizes: Iterable[Size]) -> Iterator[tuple[int, int, int, Size]]:
    """Each user, with the row numbers of the first session and the first message."""
    user, session, message = 1, 1, 1
    for size in sizes:
        for _ in range(size.users):
            yield user, session, message, size
            user += 1
            session += size.sessions_of_a_user
            message += size.messages_of_a_user


def _add_user(connection: sqlite3.Connection, user: int, first_session: int, first_message: int, size: Size) -> None:
    owner, count = str(user), size.sessions_of_a_user
    pks = range(first_session, first_session + count)
    connection.execute("INSERT INTO owners (user_id, session_count) VALUES (?, ?)", (owner, count))
    connection.executemany(
        "INSERT INTO sessions (pk, user_id, id, title, created_at, updated_at, message_count)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        # Sessions of all users lie mixed in time.
        (
            (pk, owner, f"s{n}", f"Session {n}", _at(n), _at(n * size.users + user), size.messages_of_a_session)
            for n, pk in enumerate(pks)
        ),
    )
    _index(connection, (_Document(pk, None, _owned(owner, ("session", str(n)))) for n, pk in enumerate(pks)))
    said = _messages(owner, pks, first_message, size.messages_of_a_session, random.Random(user))
    while some := list(islice(said, _ROWS_AT_A_TIME)):
        connection.executemany(
            f"INSERT INTO messages ({', '.join(_Message._fields)}) VALUES ({', '.join('?' * len(_Message._fields))})",
            (message for message, _document in some),
        )
        _index(connection, (document for _message, document in some))


def _messages(
    owner: str, sessions: Iterable[int], first: int, count: int, chance: random.Random
) -> Iterator[tuple[_Message, _Document]]:
    pk = first
    for session in sessions:
        for position in range(1, count + 1):
            begin = chance.randrange(len(_TALK) - _COMMON_OF_A_MESSAGE)
            words = _TALK[begin : begin + _COMMON_OF_A_MESSAGE] + chance.choices(_RARE_WORDS, k=_RARE_OF_A_MESSAGE)
            message = _Message(
                pk=pk,
                id=f"m{pk}",
                session_pk=session,
                role="user" if position % 2 else "assistant",
                status="complete",
                parts=json.dumps([{"type": "text", "text": " ".join(words)}]),
                context="{}",
                position=position,
                created_at=_at(position),
            )
            yield message, _Document(session, pk, _owned(owner, dict.fromkeys(words)))
            pk += 1


def _owned(owner: str, words: Iterable[str]) -> str:
    """The words of a document, as the service indexes them."""
    prefix = owned_word(owner, "")
    return prefix + f" {prefix}".join(words)


def _index(connection: sqlite3.Connection, documents: Iterable[_Document]) -> None:
    connection.executemany(
        "INSERT INTO search_documents (session_pk, message_pk, words) VALUES (?, ?, ?)",
        documents,
    )


def _at(minute: int) -> int:
    return _FIRST_MOMENT + minute * _MINUTE
