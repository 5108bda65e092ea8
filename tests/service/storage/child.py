"""What tests run in processes of their own: `child.py upgrade`, `child.py write URL`, `child.py decide URL`."""

from __future__ import annotations

import asyncio
import sys

from aichat_backend.chat.approvals import Decision
from aichat_backend.chat.parts import TextPart
from aichat_backend.chat.underway import Owner
from aichat_backend.errors import Conflict
from aichat_backend.storage.database import Database
from aichat_backend.storage.schema import read_revision
from aichat_backend.storage.turns import SqlTurnStore


def say(line: str) -> None:
    """Tell the test, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def upgrade(url: str) -> str | None:
    """Start on this database as the service does."""
    database = await Database.open(url)
    await database.upgrade()
    revision = await database.read(read_revision)
    await database.close()
    return revision


async def write(url: str) -> None:
    """Store messages until killed; say the id of each one when its commit has returned."""
    database = await Database.open(url)
    await database.upgrade()
    store = SqlTurnStore(database, Owner("child", "1"))

    async def chat(user_id: str) -> None:
        while True:
            turn = await store.open_turn(user_id, "s", title="t", parts=(TextPart("x" * 2000),), context={})
            say(f"{user_id} {turn.message.id}")
            await store.leave_turn(turn)

    await asyncio.gather(chat("1"), chat("2"))


async def decide(url: str) -> None:
    """Approve what stdin names, line by line; say whether this process was the one."""
    database = await Database.open(url)
    store = SqlTurnStore(database, Owner("child", "1"))
    say("ready")
    while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
        try:
            await store.decide_turn("1", None, Decision(line, approved=True))
        except Conflict as error:
            say(error.code)
        else:
            say("claimed")
    await database.close()


def main() -> None:
    """Do as the arguments say."""
    match sys.argv[1:]:
        case ["upgrade"]:
            # Imported beforehand, so that all children reach the file at the same time.
            import alembic.command  # noqa: F401

            say("ready")
            for line in sys.stdin:
                say(str(asyncio.run(upgrade(line.strip()))))
        case ["write", url]:
            asyncio.run(write(url))
        case ["decide", url]:
            asyncio.run(decide(url))


if __name__ == "__main__":
    main()
