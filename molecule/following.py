"""Plays under way, followed by what they say."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO

from controller import PROJECT, environment, playing


def begin(
    name: str,
    edition: Path | None,
    variables: Mapping[str, object],
    *options: str,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> subprocess.Popen[str]:
    """Begin a play in a process group of its own; what it says, errors included, is to be read from its output.

    Settings are variables of Ansible's environment.
    """
    return subprocess.Popen(
        [*playing(name, variables), *options],
        cwd=PROJECT,
        env={**environment(edition), **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def follow_to(task: str, output: IO[str]) -> str:
    """Read until this task, or handler, has begun, and return what was said until then.

    Raises:
        AssertionError: the play has ended, and it never began.
    """
    header = re.compile(rf"(TASK|RUNNING HANDLER) \[.*: {re.escape(task)}\]")
    said: list[str] = []
    for line in output:
        said.append(line)
        if header.match(line):
            return "".join(said)
    raise AssertionError(f"the play ended before it came to: {task}\n{''.join(said[-40:])}")
