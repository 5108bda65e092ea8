# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which Python on the target the service can run on."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass

# The same range as requires-python of the service.
OLDEST = (3, 11)
NEWEST = (3, 13)
_PROBE = (
    "import importlib.util as u, json, sys;"
    "print(json.dumps([sys.version_info[0], sys.version_info[1], '%d.%d.%d' % sys.version_info[:3],"
    " all(u.find_spec(n) for n in ('venv', 'ensurepip'))]))"
)
TOOL_SERVERS_ONLY = ".mcp-runtime"
"""The file by which such a Python is known."""
_FOLDERS = ("/usr/local/bin", "/usr/bin", "/bin")

RunCommand = Callable[..., "tuple[int, str, str]"]


class PythonProblem(Exception):
    """No Python can be used; the message says what to install."""


@dataclass(frozen=True)
class Interpreter:
    """A Python on the target."""

    path: str
    minor: tuple[int, int]
    version: str
    has_venv: bool

    @property
    def suits(self) -> bool:
        return OLDEST <= self.minor <= NEWEST


def probe(path: str, run: RunCommand) -> Interpreter | None:
    """Ask a Python for its version; None when it is none."""
    code, output, _errors = run([path, "-I", "-c", _PROBE])
    if code != 0:
        return None
    try:
        major, minor, version, has_venv = json.loads(output)
    except ValueError:
        return None
    return Interpreter(path, (major, minor), version, has_venv)


def choose(wanted: str | None, needs_venv: bool, run: RunCommand, distribution: str) -> Interpreter:
    """The Python that was asked for, or the newest that suits."""
    if wanted:
        return _asked_for(wanted, needs_venv, run, distribution)
    suitable = installed(run)
    usable = [interpreter for interpreter in suitable if interpreter.has_venv or not needs_venv]
    if usable:
        return usable[0]
    if suitable:
        raise PythonProblem(_venv_missing(suitable[0], distribution))
    raise PythonProblem(
        "No Python from %d.%d to %d.%d is installed on this host. %s"
        % (OLDEST + NEWEST + (_python_remedy(distribution),))
    )


def locate(name: str) -> str | None:
    """Absolute path of an executable by name or path."""
    if os.path.sep in name:
        return name if os.path.isabs(name) and os.access(name, os.X_OK) else None
    folders = [*os.environ.get("PATH", os.defpath).split(os.pathsep), *_FOLDERS]
    found = (shutil.which(name, path=folder) for folder in folders)
    return next((path for path in found if path is not None and not _is_for_tool_servers(path)), None)


def _is_for_tool_servers(path: str) -> bool:
    """Whether a Python is one of the MCP runtime, which is exchanged and removed without regard to the service."""
    home = os.path.dirname(os.path.dirname(os.path.realpath(path)))
    return os.path.exists(os.path.join(home, TOOL_SERVERS_ONLY))


def _asked_for(wanted: str, needs_venv: bool, run: RunCommand, distribution: str) -> Interpreter:
    path = locate(wanted)
    if path is None:
        raise PythonProblem(
            f"The Python that was asked for, {wanted}, is not on this host. {_python_remedy(distribution)}"
        )
    found = probe(path, run)
    if found is None:
        raise PythonProblem(f"{path} does not run as a Python 3.")
    if not found.suits:
        raise PythonProblem(
            "%s is Python %s; the service needs %d.%d to %d.%d." % (path, found.version, *OLDEST, *NEWEST)
        )
    if needs_venv and not found.has_venv:
        raise PythonProblem(_venv_missing(found, distribution))
    return found


def installed(run: RunCommand) -> list[Interpreter]:
    """The Pythons on the host that suit, the newest first."""
    names = ["python3.%d" % minor for minor in range(NEWEST[1], OLDEST[1] - 1, -1)] + ["python3"]
    paths = [path for path in map(locate, names) if path is not None]
    found = [interpreter for interpreter in (probe(path, run) for path in paths) if interpreter is not None]
    return sorted(
        (interpreter for interpreter in found if interpreter.suits), key=lambda each: each.minor, reverse=True
    )


def _venv_missing(interpreter: Interpreter, distribution: str) -> str:
    short = "python%d.%d" % interpreter.minor
    if distribution == "debian":
        remedy = f"apt-get install {short}-venv"
    elif distribution == "el":
        remedy = f"dnf install {short} {short}-pip"
    else:
        remedy = f"install the distribution's venv package for {short}"
    return f"{interpreter.path} ({interpreter.version}) has no venv module, and uv is not on this host: {remedy}"


def _python_remedy(distribution: str) -> str:
    if distribution == "debian":
        return "Install one: apt-get install python3 python3-venv (Debian 12 and later)."
    if distribution == "el":
        return "Install one: dnf install python3.12 (EL 8, 9) or python3 (EL 10)."
    return "Install one with its venv module."


def distribution_family(os_release: str = "/etc/os-release") -> str:
    """debian, el, or an empty string."""
    try:
        with open(os_release, encoding="utf-8") as stream:
            lines = dict(line.rstrip("\n").partition("=")[::2] for line in stream if "=" in line)
    except FileNotFoundError:
        return ""
    words = (lines.get("ID", "") + " " + lines.get("ID_LIKE", "")).replace('"', "").split()
    if {"debian", "ubuntu"} & set(words):
        return "debian"
    if {"rhel", "fedora", "centos", "ol"} & set(words):
        return "el"
    return ""
