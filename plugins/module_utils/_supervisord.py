# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse a whole supervisord configuration, with a candidate file in it, by supervisord's own parser."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass

_USUAL_CONFIGURATIONS = (
    "/etc/supervisord.conf",
    "/etc/supervisor/supervisord.conf",
    "/etc/supervisord/supervisord.conf",
)

# Runs under the Python that runs supervisord. Prints one JSON object and never a value of the configuration.
_CHECK = r"""
import configparser, fnmatch, json, os, re, sys
from supervisor import options

configuration, target, candidate = sys.argv[1:4]
seen = []

class Parser(options.UnhosedConfigParser):
    def read(self, filenames, **kwargs):
        if not candidate or filenames != target:
            return super().read(filenames, **kwargs)
        seen.append(filenames)
        known = set(self._sections)
        with open(candidate) as stream:
            self.read_file(stream, source=target)
        for section in set(self._sections) - known:
            self.section_to_file[section] = target
        return [target]

class Glob:
    @staticmethod
    def glob(pattern):
        found = set(real_glob(pattern))
        if candidate and fnmatch.fnmatch(target, os.path.normpath(pattern)):
            found.add(target)
        return list(found)

class Problem(Exception):
    pass

class Server(options.ServerOptions):
    def usage(self, message):
        raise Problem(str(message))

real_glob = options.glob.glob
options.UnhosedConfigParser = Parser
options.glob = Glob

def explain(error):
    if isinstance(error, configparser.MissingSectionHeaderError):
        return "line %d of %s stands before any [section]" % (error.lineno, error.source)
    if isinstance(error, configparser.ParsingError):
        return "cannot be parsed: line %s of %s" % (", ".join(str(n) for n, _text in error.errors), error.source)
    text = str(error)
    parsing = re.search(r"parsing errors: '?([^'\n]*)'?\n", text)
    if parsing:
        lines = re.findall(r"\[line +(\d+)\]", text)
        return "cannot be parsed: line %s of %s" % (", ".join(lines), parsing.group(1))
    header = re.search(r"no section headers\.\nfile: '([^'\n]*)', line: (\d+)", text)
    if header:
        return "line %s of %s stands before any [section]" % (header.group(2), header.group(1))
    place = re.search(r"in section '([^']*)' \(file: '([^']*)'\)\s*$", text)
    where = " in section [%s] of %s" % place.groups() if place else ""
    if text.startswith("Unexpected end of key/value pairs"):
        return "environment= is malformed%s: write KEY=\"value\", with commas between (the value is not shown)" % where
    if "No closing quotation" in text:
        return "a quote in environment= is never closed%s (the value is not shown)" % where
    if text.startswith("Format string"):
        name = re.search(r" for '([\w:.-]+)' (?:contains names \((.*?)\) which|is badly)", text)
        missing = name.group(2) if name and name.group(2) else ""
        hint = "%s is not a known name" % missing if missing else "write %% for a percent sign"
        option = name.group(1) if name else "a value"
        return "%s cannot be expanded%s: %s (the value is not shown)" % (option, where, hint)
    if "environment" in text or "=" in text:
        return "%s%s (the text is not shown because it may hold secrets)" % (type(error).__name__, where)
    return text

try:
    server = Server()
    server.realize(["-c", configuration], doc="")
except (Problem, configparser.Error, ValueError, OSError) as error:
    print(json.dumps({"problem": explain(error)}))
else:
    problem = None
    if candidate and not seen:
        problem = "%s does not include %s: add its folder to [include] files" % (configuration, target)
    print(json.dumps({"problem": problem}))
"""


class SupervisordProblem(Exception):
    """supervisord is missing, or the configuration would not load; the message shows no values."""


RunCommand = Callable[..., "tuple[int, str, str]"]


@dataclass(frozen=True)
class Supervisord:
    """What is needed to parse its configuration as it would itself."""

    python: str
    configuration: str
    environment: dict[str, str]

    def check(self, run: RunCommand, target: str, candidate: str) -> None:
        """Parse everything with the candidate in the target's place; an empty candidate checks what is there."""
        code, output, errors = run(
            [self.python, "-", self.configuration, target, candidate], data=_CHECK, environ_update=self.environment
        )
        try:
            problem = json.loads(output)["problem"]
        except (ValueError, KeyError, TypeError):
            last = errors.strip().splitlines()[-1:] or ["no output, exit status %d" % code]
            raise SupervisordProblem(
                f"supervisord's parser could not be run by {self.python}: {_error_name(last[0])}"
            ) from None
        if problem:
            raise SupervisordProblem(f"supervisord would not load its configuration: {problem}.")


def _error_name(line: str) -> str:
    return line if re.match(r"(ModuleNotFound|Import)Error", line) else line.split(":")[0]


def discover(configuration: str | None, proc: str = "/proc", executable: str | None = None) -> Supervisord:
    """Find the running supervisord, or the one that is installed, and its configuration."""
    process = _running(proc)
    if process is not None:
        python, arguments, environment = process
        found = configuration or _configuration_argument(arguments) or _usual_configuration()
        return Supervisord(python, found, environment)
    program = executable or shutil.which("supervisord")
    if program is None:
        raise SupervisordProblem("supervisord is neither running nor installed on this host: install it first.")
    return Supervisord(_interpreter_of(program), configuration or _usual_configuration(), {})


def _running(proc: str) -> tuple[str, list[str], dict[str, str]] | None:
    for pid in sorted((name for name in os.listdir(proc) if name.isdigit()), key=int):
        try:
            with open(os.path.join(proc, pid, "cmdline"), "rb") as stream:
                arguments = [os.fsdecode(part) for part in stream.read().split(b"\0")[:-1]]
            if len(arguments) < 2 or os.path.basename(arguments[1]) != "supervisord":
                continue
            with open(os.path.join(proc, pid, "environ"), "rb") as stream:
                pairs = [os.fsdecode(part).partition("=") for part in stream.read().split(b"\0") if part]
            python = arguments[0] if os.path.isabs(arguments[0]) else os.readlink(os.path.join(proc, pid, "exe"))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        return python, arguments[2:], {name: value for name, _equals, value in pairs}
    return None


def _configuration_argument(arguments: list[str]) -> str | None:
    for index, argument in enumerate(arguments):
        if argument in ("-c", "--configuration") and index + 1 < len(arguments):
            return arguments[index + 1]
        if argument.startswith("--configuration="):
            return argument.partition("=")[2]
        if argument.startswith("-c") and len(argument) > 2:
            return argument[2:]
    return None


def _usual_configuration() -> str:
    for path in _USUAL_CONFIGURATIONS:
        if os.path.exists(path):
            return path
    raise SupervisordProblem(
        "No supervisord configuration found (looked for {}).".format(", ".join(_USUAL_CONFIGURATIONS))
    )


def _interpreter_of(program: str) -> str:
    with open(program, "rb") as stream:
        first = stream.readline(512).decode(errors="replace").strip()
    words = first[2:].split() if first.startswith("#!") else []
    if words and os.path.basename(words[0]) == "env":
        words = [found for found in (shutil.which(word) for word in words[1:] if not word.startswith("-")) if found]
    if not words:
        raise SupervisordProblem(f"{program} does not name the Python that runs it in its first line.")
    return words[0]
