"""The environment that supervisord gives the service, read from its ini file.

An operator who types `aichat-backend config` in a shell wants to see the service's settings, not the shell's.
"""

from __future__ import annotations

import configparser
import shlex
from pathlib import Path

from aichat_backend.config.loading import ConfigurationError

DEFAULT_INI = Path("/etc/supervisord.d/ai-chat.ini")
PROGRAM = "program:aichat-backend"


def read_environment(ini: Path) -> dict[str, str]:
    """The variables of `environment=` in the program's section.

    The form is supervisord's: `KEY="value",KEY2=value`, `%%` for a percent sign.

    Raises:
        ConfigurationError: when the file cannot be read, has no such program, or its environment is malformed.
    """
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"), strict=False)
    try:
        parser.read_string(ini.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError([f"{ini}: cannot be read: {error.strerror}"]) from error
    except (configparser.Error, UnicodeDecodeError) as error:
        raise ConfigurationError([f"{ini}: is not a valid ini file"]) from error
    if not parser.has_section(PROGRAM):
        raise ConfigurationError([f"{ini}: has no section [{PROGRAM}]"])
    return _parse(parser.get(PROGRAM, "environment", fallback=""), ini)


def _parse(environment: str, ini: Path) -> dict[str, str]:
    """Read as supervisord does: a value's outer quotes are dropped and nothing in it is an escape but `%%`."""
    lexer = shlex.shlex(environment, posix=False)
    lexer.wordchars += "%/.+-():"
    try:
        tokens = list(lexer)
    except ValueError as error:
        raise ConfigurationError([f"{ini}: environment: a quote is not closed"]) from error
    variables: dict[str, str] = {}
    for start in range(0, len(tokens), 4):
        match tokens[start : start + 4]:
            case [name, "=", value] | [name, "=", value, ","]:
                variables[name] = value.strip("'\"").replace("%%", "%")
            case _:
                raise ConfigurationError([f'{ini}: environment: must have the form KEY="value",KEY2="value"'])
    return variables
