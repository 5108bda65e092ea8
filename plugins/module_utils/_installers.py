# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Install the service with its locked dependencies into a virtual environment, by uv or by pip."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._masking import mask
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._run_as import Identity, run_as

# With every dependency compiled a release takes some 200 MB, and as much again while it is built.
ROOM_NEEDED = 400 * 1024 * 1024
# Each of these would send packages, or imports, somewhere else than into the release.
_MISLEADING = re.compile(
    r"PYTHON.*|VIRTUAL_ENV|CONDA_.*|PIP_(TARGET|PREFIX|ROOT|USER|REQUIRE_VIRTUALENV|PYTHON|BREAK_SYSTEM_PACKAGES)"
    r"|UV_(PROJECT.*|PYTHON.*|SYSTEM_PYTHON|TARGET|PREFIX|BREAK_SYSTEM_PACKAGES)"
)
_FULL = ("No space left on device", "Disk quota exceeded")
_BAD_HASH = ("DO NOT MATCH THE HASHES", "Hash mismatch")
_UNREACHABLE = (
    "NewConnectionError",
    "ConnectTimeout",
    "Max retries exceeded",
    "Temporary failure in name resolution",
    "Name or service not known",
    "dns error",
    "client error (Connect)",
    "error sending request",
    "Failed to fetch",
    "Network is unreachable",
    "Connection refused",
)
_CERTIFICATE = ("CERTIFICATE_VERIFY_FAILED", "invalid peer certificate", "UnknownIssuer")

RunCommand = Callable[..., "tuple[int, str, str]"]


class InstallProblem(Exception):
    """The release could not be built; the message says why and what to do."""


@dataclass(frozen=True)
class Supply:
    """Where the packages come from: a folder of wheels, a named index, or the index this host is set up for."""

    folder: str | None = None
    index_url: str | None = None

    @property
    def options(self) -> list[str]:
        return [] if self.folder is None else ["--no-index", "--find-links", self.folder]

    @property
    def environment(self) -> dict[str, str]:
        """The index for pip and for uv; not as an argument, since it may hold a password and every user sees those."""
        if self.folder is not None:
            # A copy of the wheels in uv's cache would stay there, and never be used again.
            return {"UV_NO_CACHE": "1"}
        if self.index_url is None:
            return {}
        return {"PIP_INDEX_URL": self.index_url, "UV_DEFAULT_INDEX": self.index_url}


@dataclass(frozen=True)
class Installer:
    """The two ways are the same two steps: locked dependencies by hash, then the service itself."""

    uv: str | None
    supply: Supply = Supply()

    @property
    def name(self) -> str:
        return "pip" if self.uv is None else "uv"

    def commands(self, python: str, release: str, source: str) -> list[list[str]]:
        """What builds the release, in order."""
        inside = os.path.join(release, "bin", "python")
        requirements = os.path.join(source, "requirements.txt")
        locked = ["--require-hashes", "-r", requirements]
        service = ["--no-deps", "--no-build-isolation", source]
        if self.uv is None:
            create = [python, "-I", "-m", "venv", release]
            install = [inside, "-I", "-m", "pip", "install", "--quiet", "--no-input", "--compile"]
            install += ["--disable-pip-version-check", "--retries", "2"]
        else:
            create = [self.uv, "venv", "--quiet", "--no-project", "--no-python-downloads", "--python", python, release]
            install = [self.uv, "pip", "install", "--quiet", "--python", inside, "--compile-bytecode"]
            # Hard links into the cache would let a change there reach a release.
            install += ["--link-mode", "copy"]
        install += self.supply.options
        return [create, install + locked, install + service]


def clean_environment(environ: dict[str, str], temporary: str) -> dict[str, str]:
    """The variables for the build: nothing that misleads it, scratch files where they get cleaned up."""
    kept = {name: value for name, value in environ.items() if not _MISLEADING.fullmatch(name)}
    kept.update(TMPDIR=temporary, LC_ALL="C.UTF-8")
    # What the host's administrator trusts counts, as it does for pip.
    kept.setdefault("UV_SYSTEM_CERTS", "1")
    return kept


def check_room(path: str) -> None:
    """Refuse early when the file system is too full for a release."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    free = shutil.disk_usage(path).free
    if free < ROOM_NEEDED:
        raise InstallProblem(
            "%d MiB are free on the file system of %s, a release needs %d: make room or choose another install_root."
            % (free >> 20, path, ROOM_NEEDED >> 20)
        )


def build(installer: Installer, python: str, release: str, source: str, run: RunCommand) -> None:
    """Create the environment and install into it."""
    for command in installer.commands(python, release, source):
        code, output, errors = run(command, cwd=os.path.dirname(source))
        if code != 0:
            raise InstallProblem(explain(installer.name, command, code, output + "\n" + errors))


def explain(installer: str, command: list[str], code: int, output: str) -> str:
    """Turn a failed step into one cause with its remedy, then the tool's last lines."""
    tail = mask("\n".join(line for line in output.strip().splitlines()[-15:]))
    if any(sign in output for sign in _FULL):
        cause = "The disk is full: make room on the file system of the release folder and run again."
    elif any(sign in output for sign in _BAD_HASH):
        cause = (
            "A downloaded package is not the one that was locked (its hash differs): the index or a proxy changed it."
        )
    elif any(sign in output for sign in _CERTIFICATE):
        cause = (
            "The package index shows a certificate that this host does not trust: "
            "add its authority to the host's trust store."
        )
    elif any(sign in output for sign in _UNREACHABLE):
        cause = (
            "The package index cannot be reached from this host: check its network and proxy, or name a mirror in "
            + ("/etc/uv/uv.toml or UV_DEFAULT_INDEX." if installer == "uv" else "/etc/pip.conf or PIP_INDEX_URL.")
        )
    else:
        cause = "%s ended with status %d." % (" ".join(command[:4]), code)
    return f"{cause}\n{tail}"


def check_start(release: str, version: str, identity: Identity | None) -> None:
    """Start the new release once, as the user it will run as, before anything is switched."""
    command = [os.path.join(release, "bin", "python"), "-I", "-B", "-m", "aichat_backend", "--version"]
    try:
        found = run_as(identity, command, timeout=120)
    except PermissionError:
        raise InstallProblem(
            f"The service's user cannot run {command[0]}: "
            f"its Python ({os.path.realpath(command[0])}) must be readable for all users."
        ) from None
    except subprocess.TimeoutExpired:
        raise InstallProblem("{} did not answer within 120 s.".format(" ".join(command))) from None
    if found.returncode != 0 or version not in found.stdout:
        tail = mask("\n".join((found.stdout + found.stderr).strip().splitlines()[-15:]))
        raise InstallProblem(
            "The new release does not start (exit status %d), so it is not used:\n%s" % (found.returncode, tail)
        )
