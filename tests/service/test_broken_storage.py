"""The real process with broken storage: it listens, tells what is wrong, and works as soon as that is mended."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fakes.disks import LimitedFiles, small_disk
from fakes.program import Service

pytestmark = [pytest.mark.starts_processes, pytest.mark.thorough]

WITHOUT_POWERS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()
"""Root's right to ignore file modes is one of those it can lay down."""

Change = Callable[[Path], None]


def history(path: Path) -> None:
    """Leave a database in which somebody has asked something."""
    with Service(path.parent) as service:
        assert service.ask("What was before?", "earlier").status == 200
        service.signal(signal.SIGTERM)
        assert service.exit_status() == 0


def write_nonsense(path: Path) -> None:
    path.write_text("nothing that SQLite wrote\n" * 100)


def write_beyond_the_schema(path: Path) -> None:
    """Damage what is in the middle of the file; what a start reads stays."""
    with closing(sqlite3.connect(path)) as connection:
        pages = {
            root for (root,) in connection.execute("SELECT rootpage FROM sqlite_master WHERE tbl_name = 'messages'")
        }
    with path.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * 4096)
            file.write(b"\xa5" * 4096)


def take_away(path: Path) -> None:
    for file in path.parent.glob("chat.db*"):
        file.rename(file.with_name(f"old-{file.name}"))


def close_folder(path: Path) -> None:
    path.parent.chmod(0o500)


def open_folder(path: Path) -> None:
    path.parent.chmod(0o700)


def remove_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


def make_folder(path: Path) -> None:
    path.parent.mkdir()


def hide(path: Path) -> None:
    history(path)
    path.chmod(0)


def show(path: Path) -> None:
    path.chmod(0o600)


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "data"
    folder.mkdir()
    yield folder / "chat.db"
    if folder.exists():
        folder.chmod(0o700)


def assert_unusable(service: Service, *said: str) -> None:
    """All that needs the database says so, and the service lives."""
    health = service.request("GET", "/health")
    assert (health.status, health.body["status"]) == (200, "degraded")
    ready = service.request("GET", "/ready")
    assert ready.status == 503
    line = ready.body["checks"]["database"]
    assert "\n" not in line
    assert all(part in line for part in said), line
    for asked in (service.ask("Anybody there?"), service.request("GET", "/v1/chat/sessions")):
        assert (asked.status, asked.body["code"]) == (503, "database_unavailable")
        assert int(asked.headers["Retry-After"]) > 0
    assert [told["problem"] for told in service.told("database_unusable")] == [line]


def assert_usable(service: Service) -> None:
    service.wait_for("database_usable_again")
    assert service.request("GET", "/ready").body["checks"]["database"] == "ok"
    assert service.request("GET", "/health").body["status"] == "ok"
    assert service.ask("And now?").status == 200
    assert service.errors() == ""


@pytest.mark.parametrize(
    ("breaking", "mending", "said"),
    [
        (remove_folder, make_folder, ("does not exist", "install -d -o")),
        (close_folder, open_folder, ("cannot be created: Permission denied", "chmod u+rwx")),
        (hide, show, ("chat.db cannot be written", "with mode 0000", "chmod u+rw ")),
        (write_nonsense, take_away, ("is not a SQLite database", "put a backup in its place")),
    ],
    ids=["no folder", "a closed folder", "an unreadable file", "no database"],
)
def test_a_start_with_a_database_that_cannot_be_used_waits_until_it_can(
    path: Path, breaking: Change, mending: Change, said: tuple[str, ...]
) -> None:
    breaking(path)
    with Service(path.parent, under=WITHOUT_POWERS) as service:
        assert_unusable(service, str(path.parent), *said)
        mending(path)
        assert_usable(service)


def test_damage_in_the_middle_of_the_file_is_found_when_it_is_met_and_a_backup_mends_it(path: Path) -> None:
    history(path)
    backup = Path(shutil.copy(path, path.with_name("backup.db")))
    write_beyond_the_schema(path)
    with Service(path.parent) as service:
        assert service.request("GET", "/v1/chat/sessions/earlier/messages").status == 503
        assert_unusable(service, str(path), "is damaged", "Move it away")
        take_away(path)
        backup.rename(path)
        assert_usable(service)
        assert service.messages("earlier")[0]["content"] == "What was before?"


def test_a_database_that_is_damaged_is_not_taken_for_sound_before_it_is(path: Path) -> None:
    history(path)
    write_beyond_the_schema(path)
    with Service(path.parent) as service:
        assert service.request("GET", "/v1/chat/sessions/earlier/messages").status == 503
        # It opens as it did before, and yet it is refused each time it is tried.
        service.wait_for("database_unusable")
        assert_unusable(service, "is damaged")
        assert service.told("database_usable_again") == []


def test_a_database_that_is_deleted_under_the_service_is_missed_and_made_anew(path: Path) -> None:
    with Service(path.parent) as service:
        session = service.ask("What was before?").body["session_id"]
        for file in path.parent.iterdir():
            file.unlink()
        assert service.ask("Anybody there?", session).status == 503
        assert "was deleted while it was in use" in service.wait_for("database_unusable")["problem"]
        assert_usable(service)
        assert service.request("GET", f"/v1/chat/sessions/{session}/messages").status == 404
    assert path.exists()


def test_a_database_that_is_replaced_under_the_service_is_opened_anew(path: Path) -> None:
    history(path)
    backup = Path(shutil.copy(path, path.with_name("backup.db")))
    with Service(path.parent) as service:
        service.ask("What came after the backup?", "later")
        # As a backup is put back in haste: the log of the former file is left where it was.
        path.rename(path.with_name("former.db"))
        backup.rename(path)
        service.request("GET", "/v1/chat/sessions")
        assert "was replaced while it was in use" in service.wait_for("database_unusable")["problem"]
        assert_usable(service)
        assert service.messages("earlier")[0]["content"] == "What was before?"
        assert service.request("GET", "/v1/chat/sessions/later/messages").status == 404
    with closing(sqlite3.connect(path.with_name("former.db"))) as former:
        assert former.execute(
            "SELECT count(*) FROM messages WHERE role = 'user' AND parts LIKE '%after%'"
        ).fetchone() == (1,)
    with closing(sqlite3.connect(path)) as sound:
        assert sound.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_on_a_full_disk_the_history_can_be_read_and_with_room_all_goes_on(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk, Service(disk.folder) as service:
        session = service.ask("What was before?").body["session_id"]
        before = service.messages(session)
        disk.fill(service.pid)
        while (asked := service.ask("Is there room? " * 1000, session)).status == 200:
            before = service.messages(session)

        assert (asked.status, asked.body["code"]) == (503, "database_unavailable")
        ready = service.request("GET", "/ready")
        assert ready.status == 503
        assert str(disk.folder / "chat.db") in ready.body["checks"]["database"]
        assert service.messages(session) == before
        service.wait_for("database_unusable")

        disk.free(service.pid)
        assert_usable(service)
        assert len(service.told("database_unusable")) == 1
        assert service.messages(session)[: len(before)] == before


def test_a_limit_on_the_size_of_files_is_not_taken_for_a_disk_that_fails(tmp_path: Path) -> None:
    limits = LimitedFiles(tmp_path)
    with Service(tmp_path) as service:
        limits.fill(service.pid)
        assert service.ask("Is there room?").status == 503
        line = service.request("GET", "/ready").body["checks"]["database"]
        assert line.startswith(f"The database {tmp_path}/chat.db cannot grow: ")
        assert limits.remedy in line

        limits.free(service.pid)
        assert_usable(service)


def test_an_answer_under_way_while_the_disk_is_full_has_one_end(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk, Service(disk.folder, AICHAT_MOCK_DELAY_MS="60") as service:
        asked = service.ask_streaming("What was before?")
        with service.follow(asked["stream_url"]) as events:
            said = [next(events)]
            disk.fill(service.pid)
            while service.request("POST", "/v1/chat/sessions", {"title": "x" * 200}).status == 201:
                pass
            service.wait_for("database_unusable")
            disk.free(service.pid)
            said += events
        assert [event["type"] for event in said if event["type"] in ("done", "error")] == [said[-1]["type"]]
        assert_usable(service)


def test_a_start_on_a_full_disk_tells_so_and_works_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        disk.fill(os.getpid())
        with Service(disk.folder) as service:
            disk.fill(service.pid)
            ready = service.request("GET", "/ready")
            assert ready.status == 503
            assert disk.remedy in ready.body["checks"]["database"]
            disk.free(service.pid)
            assert_usable(service)
