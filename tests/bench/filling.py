"""A database as it is after years: filled with plain SQL, as no service could in the time."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aichat_backend.storage.database import Database
from aichat_backend.storage.words import owned_word

COMMON = "common7"
"""A word that is in one of ten messages."""
RARE = "rare"
"""What words begin with of which each is in few messages."""

_FIRST_MOMENT = 1_700_000_000_000_000
_MINUTE = 60_000_000


@dataclass(frozen=True)
class Size:
    """How much there is."""

    users: int
    sessions_of_a_user: int = 40
    messages_of_a_session: int = 50

    @property
    def messages(self) -> int:
        """Of all users."""
        return self.users * self.sessions_of_a_user * self.messages_of_a_session


def fill(path: Path, size: Size) -> None:
    """Make a SQLite database of that size; whoever has the same number has the same conversations in every size."""
    asyncio.run(_make(path))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN IMMEDIATE")
        for name, _sql in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for user in range(1, size.users + 1):
            _add_user(connection, user, size)
        connection.execute("INSERT INTO search_index (search_index) VALUES ('rebuild')")
        for _name, sql in triggers:
            connection.execute(sql)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


async def _make(path: Path) -> None:
    database = await Database.open(f"sqlite:///{path}")
    await database.upgrade()
    await database.close()


def _add_user(connection: sqlite3.Connection, user: int, size: Size) -> None:
    owner, count = str(user), size.sessions_of_a_user
    chance = random.Random(user)
    first = (user - 1) * count + 1
    pks = range(first, first + count)
    _add(connection, "owners", ("user_id", "session_count"), [(owner, count)])
    _add(
        connection,
        "sessions",
        ("pk", "user_id", "id", "title", "created_at", "updated_at", "message_count"),
        # Sessions of all users lie mixed in time.
        (
            (pk, owner, f"s{n}", f"Session {n}", _at(n), _at(n * size.users + user), size.messages_of_a_session)
            for n, pk in enumerate(pks)
        ),
    )
    _add(
        connection,
        "search_documents",
        ("session_pk", "message_pk", "words"),
        ((pk, None, f"{owner}:session {owner}:{n}") for n, pk in enumerate(pks)),
    )
    said = list(_messages(owner, pks, size.messages_of_a_session, chance))
    _add(connection, "messages", tuple(said[0][0]), (tuple(row.values()) for row, _words in said))
    _add(
        connection,
        "search_documents",
        ("session_pk", "message_pk", "words"),
        ((row["session_pk"], row["pk"], words) for row, words in said),
    )


def _messages(
    owner: str, sessions: Iterable[int], count: int, chance: random.Random
) -> Iterator[tuple[dict[str, Any], str]]:
    for session in sessions:
        for position in range(1, count + 1):
            words = [f"common{chance.randrange(200)}" for _ in range(20)]
            words += [f"{RARE}{chance.randrange(20_000)}" for _ in range(5)]
            row = {
                "pk": (session - 1) * count + position,
                "id": f"m{session}-{position}",
                "session_pk": session,
                "role": "user" if position % 2 else "assistant",
                "status": "complete",
                "parts": json.dumps([{"type": "text", "text": " ".join(words)}]),
                "context": "{}",
                "position": position,
                "created_at": _at(position),
            }
            yield row, " ".join(dict.fromkeys(owned_word(owner, word) for word in words))


def _add(connection: sqlite3.Connection, table: str, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    places = ", ".join("?" * len(columns))
    connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", rows)


def _at(minute: int) -> int:
    return _FIRST_MOMENT + minute * _MINUTE
