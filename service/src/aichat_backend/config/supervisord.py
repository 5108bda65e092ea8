"""What supervisord gives the service: its environment and its arguments, read from its ini file.

An operator who types `aichat-backend config` in a shell wants to see the service's settings, not the shell's.
"""

from __future__ import annotations

import configparser
import platform
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aichat_backend.config.places import PROGRAM
from aichat_backend.config.problems import ConfigurationError

_SECTION = f"program:{PROGRAM}"

_NEITHER_EXPANSION_NOR_PERCENT_SIGN = re.compile(r"(?<!%)(?:%%)*%(?![%(])")


@dataclass(frozen=True)
class Program:
    """What a program's section says of its process."""

    environment: Mapping[str, str]
    """The variables of `environment=`."""
    arguments: Sequence[str]
    """Of `command=`, after the program itself."""


def read_program(ini: Path, own_environment: Mapping[str, str]) -> Program:
    """The program's section, as supervisord understands it.

    Args:
        ini: the file.
        own_environment: stands in for supervisord's own variables where the ini refers to them as `%(ENV_NAME)s`.

    Raises:
        ConfigurationError: when the file cannot be read, has no such program, or one of the two is malformed.
    """
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"), strict=False)
    try:
        parser.read_string(ini.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError([f"{ini}: cannot be read: {error.strerror}"]) from error
    except (configparser.Error, UnicodeDecodeError) as error:
        raise ConfigurationError([f"{ini}: is not a valid ini file"]) from error
    if not parser.has_section(_SECTION):
        raise ConfigurationError([f"{ini}: has no section [{_SECTION}]"])
    environment, command = (
        _expand(option, parser.get(_SECTION, option, fallback=""), ini, own_environment)
        for option in ("environment", "command")
    )
    return Program(_parse(environment, ini), _split(command, ini)[1:])


def _expand(option: str, text: str, ini: Path, own_environment: Mapping[str, str]) -> str:
    """Fill in `%(name)s` and `%%`. supervisord does so before it looks at quotes, so this comes first here too."""
    if _NEITHER_EXPANSION_NOR_PERCENT_SIGN.search(text):
        raise ConfigurationError([f"{ini}: {option}: a percent sign must be written as %%"])
    known: dict[str, object] = {f"ENV_{name}": value for name, value in own_environment.items()}
    known |= {
        "here": str(ini.absolute().parent),
        "program_name": PROGRAM,
        "group_name": PROGRAM,
        "host_node_name": platform.node(),
        "process_num": 0,
        "numprocs": 1,
    }
    try:
        return text % known
    except KeyError as error:
        name = str(error.args[0])
        remedy = f"set {name.removeprefix('ENV_')} for this command too" if name.startswith("ENV_") else "remove it"
        raise ConfigurationError([f"{ini}: {option}: %({name})s is not known here: {remedy}"]) from error
    except (ValueError, TypeError) as error:
        raise ConfigurationError([f"{ini}: {option}: an expansion must have the form %(ENV_NAME)s"]) from error


def _parse(environment: str, ini: Path) -> dict[str, str]:
    """Read as supervisord does: a value's outer quotes are dropped, nothing is an escape, any token separates."""
    lexer = shlex.shlex(environment, posix=False)
    lexer.wordchars += "/.+-():"
    try:
        tokens = list(lexer)
    except ValueError as error:
        raise ConfigurationError([f"{ini}: environment: a quote is not closed"]) from error
    variables: dict[str, str] = {}
    for start in range(0, len(tokens), 4):
        match tokens[start : start + 3]:
            case [name, "=", value]:
                variables[name] = value.strip("'\"")
            case _:
                raise ConfigurationError([f'{ini}: environment: must have the form KEY="value",KEY2="value"'])
    return variables


def _split(command: str, ini: Path) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        raise ConfigurationError([f"{ini}: command: a quote is not closed"]) from error
