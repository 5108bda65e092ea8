"""The real program on its command line: output, complaints, exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aichat_backend import __version__, cli, commands
from fakes.processes import STARTS_PROCESSES
from fakes.program import Service, run

pytestmark = STARTS_PROCESSES

EX_CONFIG = 78
CANARY = "sk-canary-2b8e"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "settings.yaml"
    file.write_text("llm_provider: mock\nport: 4001\n")
    return file


def imported(importtime: str) -> set[str]:
    return {line.rpartition("|")[2].strip() for line in importtime.splitlines()}


def test_the_version_is_told_without_loading_the_service() -> None:
    done = run("--version", environment={"PYTHONPROFILEIMPORTTIME": "1"})
    assert (done.returncode, done.stdout) == (0, f"aichat-backend {__version__}\n")
    modules = imported(done.stderr)
    assert "aichat_backend.cli" in modules
    assert not modules & {"aiohttp", "openai", "sqlalchemy", "uvloop", "structlog", "alembic", "pydantic", "yaml"}


def test_showing_the_settings_does_not_load_the_service() -> None:
    done = run("config", "--env-only", environment={"PYTHONPROFILEIMPORTTIME": "1"})
    assert done.returncode == 0
    assert not imported(done.stderr) & {"aiohttp", "openai", "sqlalchemy", "uvloop", "pydantic", "yaml"}


def test_config_prints_every_setting_with_its_source_and_no_secret() -> None:
    done = run("config", "--env-only", environment={"AICHAT_PORT": "5001", "AICHAT_API_KEY": CANARY})
    assert done.returncode == 0
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert lines["AICHAT_PORT"] == "5001  (environment)"
    assert lines["AICHAT_API_KEY"] == "********  (environment)"
    assert done.stderr == ""


def test_config_warns_on_standard_error() -> None:
    done = run("config", "--env-only", environment={"AICHAT_PROT": "5001"})
    assert done.returncode == 0
    assert done.stderr == (
        "aichat-backend: AICHAT_PROT is not a setting of this version and has no effect; did you mean AICHAT_PORT?\n"
    )


@pytest.mark.parametrize("command", [(), ("config",), ("check",)])
def test_wrong_settings_are_one_line_each_and_exit_status_78(command: tuple[str, ...]) -> None:
    environment = {"AICHAT_PORT": "0", "AICHAT_LLM_PROVIDER": "claud", "AICHAT_API_KEY": f"{CANARY} {CANARY}"}
    done = run("--env-only", *command, environment=environment)
    assert done.returncode == EX_CONFIG
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "aichat-backend: AICHAT_PORT: '0' is not allowed; allowed: a whole number from 1 to 65535",
        "aichat-backend: AICHAT_LLM_PROVIDER: 'claud' is not allowed; "
        "allowed: openai, anthropic (or claude), gemini (or google), ollama, mock",
        "aichat-backend: AICHAT_API_KEY: the value must be one word of ASCII characters, without blanks and line ends; "
        "allowed: one word",
    ]


def test_a_missing_key_file_ends_the_start_with_one_line() -> None:
    done = run("--env-only", environment={"AICHAT_API_KEY_FILE": "/none/such"})
    assert done.returncode == EX_CONFIG
    assert done.stderr == (
        "aichat-backend: AICHAT_API_KEY_FILE: /none/such cannot be read: No such file or directory\n"
    )


def test_an_argument_that_is_not_known_is_a_usage_error() -> None:
    done = run("--daemon")
    assert done.returncode == 2
    assert "usage: aichat-backend" in done.stderr
    assert "Traceback" not in done.stderr


class TestSources:
    """Which file is read. In this process: the answers come from the parser, not from the operating system."""

    @pytest.fixture(autouse=True)
    def clean(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """No settings from this shell, and no files of a service that may be deployed on this machine."""
        for name in [*os.environ]:
            if name.startswith("AICHAT_") or name in ("OPENAI_API_KEY", "GIN_MODE"):
                monkeypatch.delenv(name)
        monkeypatch.setattr(commands, "DEFAULT_FILE", tmp_path / "etc" / "config.yaml")
        monkeypatch.setattr(commands, "DEFAULT_INI", tmp_path / "supervisord.d" / "ai-chat.ini")

    @pytest.fixture
    def default_file(self, tmp_path: Path) -> Path:
        file = tmp_path / "etc" / "config.yaml"
        file.parent.mkdir()
        file.write_text("port: 4444\n")
        return file

    @pytest.fixture
    def default_ini(self, tmp_path: Path) -> Path:
        ini = tmp_path / "supervisord.d" / "ai-chat.ini"
        ini.parent.mkdir()
        ini.write_text('[program:aichat-backend]\ncommand=x\nenvironment=AICHAT_PORT="5555"\n')
        return ini

    def port(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
        assert cli.main(arguments) == 0
        (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("AICHAT_PORT ")]
        return line.split(maxsplit=1)[1]

    def test_without_files_the_defaults_hold(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.port(capsys, "config") == "3001  (default)"

    def test_the_file_may_be_named_before_and_after_the_command(
        self, capsys: pytest.CaptureFixture[str], file: Path
    ) -> None:
        for arguments in (("--config", str(file), "config"), ("config", "--config", str(file))):
            assert self.port(capsys, *arguments) == f"4001  ({file})"

    def test_the_default_file_is_read_when_it_is_there(
        self, capsys: pytest.CaptureFixture[str], default_file: Path
    ) -> None:
        assert self.port(capsys, "config") == f"4444  ({default_file})"

    @pytest.mark.usefixtures("default_file")
    def test_env_only_reads_no_file(self, capsys: pytest.CaptureFixture[str]) -> None:
        for arguments in (("--env-only", "config"), ("config", "--env-only")):
            assert self.port(capsys, *arguments) == "3001  (default)"

    @pytest.mark.usefixtures("default_file")
    def test_a_named_file_takes_the_place_of_the_default_one(
        self, capsys: pytest.CaptureFixture[str], file: Path
    ) -> None:
        assert self.port(capsys, "config", "--config", str(file)) == f"4001  ({file})"

    def test_the_services_ini_wins_over_the_shell_and_each_value_names_its_source(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, default_ini: Path
    ) -> None:
        monkeypatch.setenv("AICHAT_PORT", "1")
        monkeypatch.setenv("AICHAT_LOG_LEVEL", "debug")
        assert cli.main(["config"]) == 0
        lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
        assert lines["AICHAT_PORT"] == f"5555  ({default_ini})"
        assert lines["AICHAT_LOG_LEVEL"] == "debug  (environment)"

    @pytest.mark.parametrize(
        ("command", "shown"),
        [
            ("aichat-backend", "4444  ({default})"),
            ("aichat-backend --env-only", "3001  (default)"),
            ("/bin/sh -c x --config={file}", "4001  ({file})"),
        ],
    )
    def test_the_file_is_the_one_that_the_service_reads(
        self,
        capsys: pytest.CaptureFixture[str],
        default_ini: Path,
        default_file: Path,
        file: Path,
        command: str,
        shown: str,
    ) -> None:
        default_ini.write_text(f"[program:aichat-backend]\ncommand={command.format(file=file)}\n")
        assert self.port(capsys, "config") == shown.format(default=default_file, file=file)

    @pytest.mark.usefixtures("default_file")
    def test_a_file_that_is_named_in_the_shell_wins_over_the_services(
        self, capsys: pytest.CaptureFixture[str], default_ini: Path, file: Path
    ) -> None:
        default_ini.write_text("[program:aichat-backend]\ncommand=aichat-backend --env-only\n")
        assert self.port(capsys, "config", "--config", str(file)) == f"4001  ({file})"
        assert self.port(capsys, "--env-only", "config") == "3001  (default)"

    def test_a_command_that_the_service_would_not_take_is_one_line(
        self, capsys: pytest.CaptureFixture[str], default_ini: Path
    ) -> None:
        default_ini.write_text("[program:aichat-backend]\ncommand=aichat-backend --config\n")
        assert cli.main(["config"]) == EX_CONFIG
        told = capsys.readouterr().err
        assert told == f"aichat-backend: {default_ini}: command: argument --config: expected one argument\n"

    def test_another_ini_may_be_named(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        ini = tmp_path / "other.ini"
        ini.write_text("[program:aichat-backend]\nenvironment=AICHAT_PORT=6666\n")
        assert self.port(capsys, "config", "--ini", str(ini)) == f"6666  ({ini})"

    def test_a_malformed_ini_is_one_line(self, capsys: pytest.CaptureFixture[str], default_ini: Path) -> None:
        default_ini.write_text(f'[program:aichat-backend]\nenvironment=AICHAT_API_KEY="{CANARY}\n')
        assert cli.main(["config"]) == EX_CONFIG
        assert capsys.readouterr().err == f"aichat-backend: {default_ini}: environment: a quote is not closed\n"

    @pytest.fixture
    def ordinary_user(self) -> Iterator[None]:
        """Root can read everything; be someone else for a while."""
        was_root = os.geteuid() == 0
        if was_root:
            os.seteuid(65534)
        yield
        if was_root:
            os.seteuid(0)

    def test_a_folder_that_this_user_may_not_look_into_is_one_line(
        self, capsys: pytest.CaptureFixture[str], default_file: Path, request: pytest.FixtureRequest
    ) -> None:
        assert cli.main(["config"]) == 0  # imports what it needs while this user still may
        capsys.readouterr()
        default_file.parent.chmod(0)
        request.getfixturevalue("ordinary_user")
        assert cli.main(["config"]) == EX_CONFIG
        told = capsys.readouterr().err
        assert told.startswith("aichat-backend: ")
        assert told.endswith(": cannot be read: Permission denied\n")


class TestCheck:
    """`check` as a person or a playbook runs it."""

    def test_all_well_is_exit_status_0_and_makes_no_database(self, tmp_path: Path, file: Path) -> None:
        done = run("check", "--config", str(file), environment={"AICHAT_DATA_DIR": str(tmp_path)})
        assert [line.split()[:2] for line in done.stdout.splitlines()] == [
            ["settings", "ok"],
            ["database", "ok"],
            ["provider", "ok"],
            ["tools", "ok"],
        ]
        assert (done.returncode, done.stderr) == (0, "")
        assert not (tmp_path / "chat.db").exists()

    def test_trouble_is_exit_status_1_with_a_verdict_on_each(self, tmp_path: Path) -> None:
        done = run("check", "--env-only", environment={"AICHAT_DATA_DIR": str(tmp_path / "missing")})
        assert [line.split()[:2] for line in done.stdout.splitlines()] == [
            ["settings", "ok"],
            ["database", "failed"],
            ["provider", "failed"],
            ["tools", "ok"],
        ]
        assert (done.returncode, done.stderr) == (1, "")


def test_the_module_runs_as_the_program_does() -> None:
    done = subprocess.run([sys.executable, "-I", "-m", "aichat_backend", "--version"], capture_output=True, text=True)
    assert done.stdout == f"aichat-backend {__version__}\n"


class TestDatabase:
    """`db` as an operator runs it."""

    def test_a_database_is_made_looked_at_and_copied(self, tmp_path: Path) -> None:
        environment = {"AICHAT_DATA_DIR": str(tmp_path)}
        copied = tmp_path / "copy.db"
        for command in (("upgrade",), ("status",), ("copy", "--to", f"sqlite:///{copied}")):
            done = run("db", *command, "--env-only", environment=environment)
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout
        assert copied.stat().st_mode & 0o777 == 0o600
        assert "row for row the same" in done.stdout

    def test_what_cannot_be_done_is_one_line_and_exit_status_1(self, tmp_path: Path) -> None:
        done = run(
            "db",
            "copy",
            "--to",
            f"mysql://u:{CANARY}@h/d",
            "--env-only",
            environment={"AICHAT_DATA_DIR": str(tmp_path)},
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("aichat-backend: There is nothing to copy")

    @pytest.mark.parametrize("arguments", [(), ("copy",), ("drop",)])
    def test_what_it_does_not_know_is_a_usage_error(self, arguments: tuple[str, ...]) -> None:
        assert run("db", *arguments).returncode == 2


class TestAudit:
    """`audit` as an operator runs it."""

    def test_what_was_done_is_one_line_of_json_each(self, tmp_path: Path) -> None:
        with Service(tmp_path) as service:
            session = service.ask("said in confidence").body["session_id"]
            assert service.request("GET", f"/v1/chat/sessions/{session}/export").status == 200
            service.request("DELETE", f"/v1/chat/sessions/{session}")
            done = run("audit", "--env-only", environment={"AICHAT_DATA_DIR": str(tmp_path)})

        told = [json.loads(line) for line in done.stdout.splitlines()]
        assert (done.returncode, done.stderr) == (0, "")
        assert [(line["action"], line["user_id"], line["session_id"]) for line in told] == [
            ("session_exported", "7", session),
            ("session_deleted", "7", session),
        ]
        assert "said in confidence" not in done.stdout

    def test_only_what_was_asked_for_is_told(self, tmp_path: Path) -> None:
        with Service(tmp_path) as service:
            service.request("DELETE", f"/v1/chat/sessions/{service.ask('hello').body['session_id']}")
        environment = {"AICHAT_DATA_DIR": str(tmp_path)}

        for arguments, lines in ((("--user", "7"), 1), (("--user", "8"), 0), (("--since", "2999-01-01"), 0)):
            done = run("audit", *arguments, "--env-only", environment=environment)
            assert (done.returncode, len(done.stdout.splitlines())) == (0, lines), done

    def test_a_time_that_is_none_is_a_usage_error(self, tmp_path: Path) -> None:
        done = run("audit", "--since", "yesterday", "--env-only", environment={"AICHAT_DATA_DIR": str(tmp_path)})

        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            "aichat-backend: --since: 'yesterday' is no time; give one such as 2026-03-01"
            " or 2026-03-01T12:30:00+01:00\n"
        )

    def test_without_a_database_there_is_nothing_to_tell_and_none_is_made(self, tmp_path: Path) -> None:
        done = run("audit", "--env-only", environment={"AICHAT_DATA_DIR": str(tmp_path)})

        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert list(tmp_path.iterdir()) == []
