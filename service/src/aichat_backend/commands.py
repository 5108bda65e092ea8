"""What each command does with the settings."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from aichat_backend.config.loading import LoadedSettings, load_settings
from aichat_backend.config.places import DEFAULT_FILE, DEFAULT_INI, PROGRAM
from aichat_backend.config.problems import ConfigurationError, variable
from aichat_backend.config.source_options import source_options
from aichat_backend.imports import uncollected

if TYPE_CHECKING:
    from aichat_backend.config.supervisord import Program

EX_FAILURE = 1
EX_USAGE = 2
"""The exit status for wrong arguments, as argparse has it."""
EX_CONFIG = 78
"""The exit status for wrong settings, as in sysexits.h."""


def run(options: argparse.Namespace) -> int:
    """Run the command that was asked for; the result is its exit status."""
    command = {
        "serve": _serve,
        "config": _config,
        "check": _check,
        "audit": _audit,
        "db status": _database_status,
        "db upgrade": _database_upgrade,
        "db copy": _database_copy,
    }[options.command]
    try:
        return command(options)
    except ConfigurationError as error:
        for problem in error.problems:
            _complain(problem)
        return EX_CONFIG


def _config_file(options: argparse.Namespace) -> Path | None:
    if "config" in options:
        return Path(options.config)
    if "env_only" in options or not _may_exist(DEFAULT_FILE):
        return None
    return DEFAULT_FILE


def _may_exist(file: Path) -> bool:
    """Whether to read the file: also when a closed folder hides it, so that the reader tells of that."""
    try:
        return file.exists()
    except PermissionError:
        return True


@dataclass(frozen=True)
class _ServiceView:
    """What the service has, though this process was started from a shell."""

    environment: Mapping[str, str]
    loaded: LoadedSettings


def _view_of_service(options: argparse.Namespace) -> _ServiceView:
    from aichat_backend.config.supervisord import Program, read_program

    ini: Path | None = options.ini
    if ini is None:
        ini = DEFAULT_INI if _may_exist(DEFAULT_INI) else None
    program = read_program(ini, os.environ) if ini else Program({}, ())
    environment = {**os.environ, **program.environment}
    named_here = "config" in options or "env_only" in options
    file = _config_file(options if named_here else _source_options_of(program, ini))
    loaded = load_settings(environment, file, origins=dict.fromkeys(program.environment, str(ini)))
    return _ServiceView(environment, loaded)


def _source_options_of(program: Program, ini: Path | None) -> argparse.Namespace:
    try:
        found, _others = source_options().parse_known_args(program.arguments)
    except argparse.ArgumentError as error:
        raise ConfigurationError([f"{ini}: command: {error}"]) from error
    return found


def _serve(options: argparse.Namespace) -> int:
    loaded = load_settings(os.environ, _config_file(options))
    # Imported only here: `config` and a wrong setting answer at once.
    with uncollected():
        import uvloop

        from aichat_backend.serving import CannotListen, serve
        from aichat_backend.storage.errors import StorageError
        from aichat_backend.telemetry.logs import configure, log_warnings

    configure(loaded.settings.log_level, secrets=loaded.settings.secrets)
    log_warnings("setting", loaded.warnings)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(loaded.settings))
    except StorageError as error:
        _complain(f"{variable(loaded.settings.database_setting)}: {error}")
        return EX_FAILURE
    except CannotListen as error:
        _complain(str(error))
        return EX_FAILURE
    return 0


def _config(options: argparse.Namespace) -> int:
    from aichat_backend.config.display import lines

    loaded = _view_of_service(options).loaded
    for line in lines(loaded):
        print(line)
    for warning in loaded.warnings:
        _complain(warning)
    return 0


def _check(options: argparse.Namespace) -> int:
    from aichat_backend.check import check_all

    view = _view_of_service(options)
    verdicts = asyncio.run(check_all(view.loaded, view.environment))
    for verdict in verdicts:
        print(verdict)
    return 0 if all(verdict.well for verdict in verdicts) else EX_FAILURE


def _audit(options: argparse.Namespace) -> int:
    from aichat_backend.audit_command import moment, tell

    try:
        since = moment(options.since) if options.since is not None else None
    except ValueError:
        _complain(f"--since: {options.since!r} is no time; give one such as 2026-03-01 or 2026-03-01T12:30:00+01:00")
        return EX_USAGE
    return _on_database(options, lambda url, say: tell(url, say, since=since, user_id=options.user))


def _database_status(options: argparse.Namespace) -> int:
    from aichat_backend.database_commands import status

    return _on_database(options, status)


def _database_upgrade(options: argparse.Namespace) -> int:
    from aichat_backend.database_commands import upgrade

    return _on_database(options, upgrade)


def _database_copy(options: argparse.Namespace) -> int:
    from aichat_backend.database_commands import copy

    return _on_database(options, lambda url, say: copy(url, options.to, say))


def _on_database(options: argparse.Namespace, command: Callable[[str, Callable[[str], None]], None]) -> int:
    from aichat_backend.errors import Unavailable
    from aichat_backend.storage.errors import StorageError

    settings = _view_of_service(options).loaded.settings
    try:
        command(settings.effective_database_url, partial(print, flush=True))
    except (StorageError, Unavailable) as error:
        _complain(str(error))
        return EX_FAILURE
    return 0


def _complain(problem: str) -> None:
    print(f"{PROGRAM}: {problem}", file=sys.stderr)
