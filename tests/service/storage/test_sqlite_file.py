"""The database's file: where it may lie, who may read it, what is done when it cannot be used."""

# ruff: noqa: ASYNC240 -- a test may look at its files at any time
from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from aichat_backend.storage.database import Database
from aichat_backend.storage.errors import DamagedDatabase, InaccessibleDatabase, StorageError, UnsupportedDatabase
from fakes.conversations import all_messages, ask
from fakes.databases import ON_SQLITE
from fakes.stores import Store

NOBODY = 65534


def modes(folder: Path) -> dict[str, str]:
    return {file.name: oct(stat.S_IMODE(file.stat().st_mode)) for file in folder.iterdir()}


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Without root's right to ignore file modes."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of an ordinary user, which that user can reach."""
    folder = Path(tempfile.mkdtemp())
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    yield folder
    folder.chmod(0o700)
    shutil.rmtree(folder)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o277])
async def test_only_its_owner_may_read_the_database_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    with umask(mask):
        database = await Database.open(f"sqlite:///{tmp_path}/chat.db")
        await database.upgrade()
        await ask(Store(database), "1", None)
        found = modes(tmp_path)
        await database.close()

    assert found == {"chat.db": "0o600", "chat.db-wal": "0o600", "chat.db-shm": "0o600"}


async def test_a_file_that_others_could_read_is_made_private(path: Path) -> None:
    path.touch()
    path.chmod(0o644)
    database = await Database.open(f"sqlite:///{path}")
    await database.upgrade()
    found = modes(path.parent)
    await database.close()

    assert set(found.values()) == {"0o600"}


async def test_the_file_belongs_to_the_owner_of_its_folder_even_when_root_created_it(folder: Path) -> None:
    database = await Database.open(f"sqlite:///{folder}/chat.db")
    await database.upgrade()
    owners = {file.stat().st_uid for file in folder.iterdir()}
    await database.close()

    assert owners == {folder.stat().st_uid}


@pytest.mark.parametrize("scheme", ["sqlite", "sqlite+aiosqlite"])
async def test_what_was_stored_is_there_after_opening_again(path: Path, scheme: str) -> None:
    database = await Database.open(f"{scheme}:///{path}")
    await database.upgrade()
    turn = await ask(Store(database), "1", None)
    await database.close()
    assert [file.name for file in path.parent.iterdir()] == ["chat.db"]

    database = await Database.open(f"{scheme}:///{path}")
    await database.upgrade()
    assert await all_messages(Store(database), "1", turn.session.id) == (turn.message,)
    await database.close()


async def test_a_relative_path_keeps_its_meaning_when_the_process_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    database = await Database.open("sqlite:///chat.db")
    monkeypatch.chdir("/")
    await database.upgrade()
    await database.close()

    assert (tmp_path / "chat.db").stat().st_size > 0


@ON_SQLITE
async def test_every_connection_is_durable_and_checks_references(database: Database) -> None:
    settings = {}
    for kind in (database.read, database.write):
        for name in ("journal_mode", "synchronous", "foreign_keys", "query_only", "secure_delete"):
            pragma = text(f"PRAGMA {name}")
            settings[kind.__name__, name] = await kind(partial(Connection.scalar, statement=pragma))

    assert {settings["read", "journal_mode"], settings["write", "journal_mode"]} == {"wal"}
    assert settings["write", "synchronous"] == 2
    assert settings["write", "foreign_keys"] == 1
    assert settings["write", "secure_delete"] == 1
    assert (settings["read", "query_only"], settings["write", "query_only"]) == (1, 0)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql+asyncpg://chat:s3cret@db/chat", "'postgresql+asyncpg' are not supported"),
        ("mysql://chat:s3cret@db/chat", "'mysql' are not supported"),
        ("sqlite+pysqlcipher:////tmp/chat.db", "'sqlite+pysqlcipher' are not supported"),
        ("sqlite://", "needs a file path"),
        ("sqlite:///:memory:", "needs a file path"),
        ("sqlite:////tmp/chat.db?mode=ro", "needs a file path"),
        ("sqlite://chat:s3cret@host/chat.db", "needs a file path"),
        ("s3cret", "cannot be understood"),
        ("", "cannot be understood"),
    ],
)
async def test_a_url_that_cannot_be_used_is_refused_without_repeating_it(url: str, said: str) -> None:
    with pytest.raises(UnsupportedDatabase, match=re.escape(said)) as refused:
        await Database.open(url)

    assert "s3cret" not in str(refused.value)
    assert "sqlite:////" in str(refused.value)


async def _refused(path: Path) -> StorageError:
    with ordinary_user(), pytest.raises(InaccessibleDatabase) as refused:
        await Database.open(f"sqlite:///{path}")
    return refused.value


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InaccessibleDatabase, match=f"folder {tmp_path}/nowhere .*does not exist"):
        await Database.open(f"sqlite:///{tmp_path}/nowhere/chat.db")


async def test_a_folder_that_cannot_be_written_is_named(folder: Path) -> None:
    folder.chmod(0o500)

    refused = await _refused(folder / "chat.db")

    assert f"{folder}/chat.db cannot be created: Permission denied" in str(refused)


async def test_a_database_whose_folder_became_read_only_is_named(folder: Path) -> None:
    with ordinary_user():
        await (await Database.open(f"sqlite:///{folder}/chat.db")).close()
    folder.chmod(0o500)

    assert f"The database {folder}/chat.db cannot be written" in str(await _refused(folder / "chat.db"))


async def test_a_folder_of_another_user_is_named_with_its_owner_and_the_remedy() -> None:
    refused = str(await _refused(Path("/chat.db")))

    assert "The database /chat.db cannot be created: Permission denied. / belongs to root with mode 0755" in refused
    assert "chown" in refused


async def test_a_folder_that_is_hidden_in_a_closed_one_is_told_with_the_closed_one(folder: Path) -> None:
    (folder / "inner").mkdir()
    folder.chmod(0)

    refused = str(await _refused(folder / "inner" / "chat.db"))

    assert f"The folder {folder}/inner of the database cannot be reached: Permission denied. {folder} b" in refused


async def test_a_log_that_may_not_be_written_is_named(folder: Path) -> None:
    with ordinary_user():
        await (await Database.open(f"sqlite:///{folder}/chat.db")).close()
        (folder / "chat.db-wal").touch()
        (folder / "chat.db-wal").chmod(0o400)

    refused = str(await _refused(folder / "chat.db"))

    assert f"{folder}/chat.db-wal belongs to" in refused
    assert "with mode 0400: chmod u+rw" in refused


async def test_a_read_only_file_is_named(folder: Path) -> None:
    with ordinary_user():
        await (await Database.open(f"sqlite:///{folder}/chat.db")).close()
    (folder / "chat.db").chmod(0o400)

    assert f"The database {folder}/chat.db cannot be written" in str(await _refused(folder / "chat.db"))


async def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InaccessibleDatabase, match=str(tmp_path)):
        await Database.open(f"sqlite:///{tmp_path}")


async def test_a_file_that_is_no_database_is_named_and_left_alone(path: Path) -> None:
    path.write_bytes(b"something else entirely\n" * 100)

    with pytest.raises(DamagedDatabase, match=f"{path} is not a SQLite database"):
        await Database.open(f"sqlite:///{path}")

    assert path.read_bytes() == b"something else entirely\n" * 100
