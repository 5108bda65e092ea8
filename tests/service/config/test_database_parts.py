"""The database named by its parts, with its password in a file or not."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy.engine import make_url

from aichat_backend.config.display import lines
from aichat_backend.config.loading import LoadedSettings, load_settings
from aichat_backend.config.problems import ConfigurationError

PASSWORD = "p@ss:/w?rd %41#ö"


def loaded(**variables: str) -> LoadedSettings:
    return load_settings({f"AICHAT_{name}": value for name, value in variables.items()}, None)


def url(**variables: str) -> str:
    return loaded(**variables).settings.effective_database_url


def test_a_host_is_enough() -> None:
    assert url(DB_HOST="db") == "postgresql://aichat@db:5432/aichat"


def test_every_part_arrives_as_it_was_written() -> None:
    parsed = make_url(
        url(
            DB_HOST="db.example.org",
            DB_PORT="6432",
            DB_NAME="my chat/1",
            DB_USER="us@er",
            DB_PASSWORD=PASSWORD,
            DB_SSLMODE="verify-full",
            DB_SSLROOTCERT="/etc/a b.pem",
        )
    )

    assert (parsed.host, parsed.port, parsed.database) == ("db.example.org", 6432, "my chat/1")
    assert (parsed.username, parsed.password) == ("us@er", PASSWORD)
    assert parsed.query == {"sslmode": "verify-full", "sslrootcert": "/etc/a b.pem"}


def test_a_host_may_be_the_folder_of_a_socket_or_an_address() -> None:
    socket = make_url(url(DB_HOST="/run/postgresql"))
    assert (socket.host, socket.query) == (None, {"host": "/run/postgresql"})
    assert make_url(url(DB_HOST="::1")).host == "::1"


def test_a_url_wins_over_the_parts() -> None:
    assert url(DATABASE_URL="sqlite:////data/chat.db", DB_HOST="db") == "sqlite:////data/chat.db"


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_the_password_may_lie_in_a_file(tmp_path: Path, ending: str) -> None:
    file = tmp_path / "password"
    file.write_bytes(f"{PASSWORD}{ending}".encode())
    file.chmod(0o640)

    found = loaded(DB_HOST="db", DB_PASSWORD_FILE=str(file))

    assert make_url(found.settings.effective_database_url).password == PASSWORD
    assert found.sources["db_password"] == str(file)
    assert found.warnings == ()
    assert "other" in url(DB_HOST="db", DB_PASSWORD_FILE=str(file), DB_PASSWORD="other")


def test_a_password_that_everyone_can_read_is_warned_about(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("secret")
    file.chmod(0o644)

    assert "chmod 0640" in loaded(DB_HOST="db", DB_PASSWORD_FILE=str(file)).warnings[0]


@pytest.mark.parametrize("content", [None, b"", b"\n", b"two\nlines", b"\xff"])
def test_a_password_file_that_holds_none_is_refused_without_quoting_it(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(ConfigurationError, match="AICHAT_DB_PASSWORD_FILE: ") as refused:
        loaded(DB_HOST="db", DB_PASSWORD_FILE=str(file))

    assert "lines" not in str(refused.value)


def test_the_password_is_shown_nowhere() -> None:
    found = loaded(DB_HOST="db", DB_PASSWORD=PASSWORD)

    assert PASSWORD not in "\n".join(lines(found))
    assert PASSWORD not in repr(found)
    assert {PASSWORD, quote(PASSWORD, safe="")} <= set(found.settings.secrets)


@pytest.mark.parametrize("part", ["DB_NAME", "DB_USER", "DB_PASSWORD", "DB_SSLROOTCERT"])
def test_parts_without_a_host_are_refused(part: str) -> None:
    with pytest.raises(ConfigurationError, match=f"AICHAT_{part}: .*AICHAT_DB_HOST"):
        loaded(**{part: "x"})


@pytest.mark.parametrize(
    ("variables", "setting"),
    [
        ({"DATABASE_URL": "postgresql://h/d", "DB_HOST": "db"}, "database_url"),
        ({"DB_HOST": "db"}, "db_host"),
        ({}, "data_dir"),
    ],
)
def test_a_problem_with_the_database_names_the_setting_that_decides(variables: dict[str, str], setting: str) -> None:
    assert loaded(**variables).settings.database_setting == setting
