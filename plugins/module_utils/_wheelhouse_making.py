# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fetch the locked packages for a host that is not this one, as wheels."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Callable

from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._installers import explain
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._wheelhouse import Platform, WheelhouseProblem

try:
    from packaging.requirements import InvalidRequirement, Requirement
except ImportError:
    HAS_PACKAGING = False
else:
    HAS_PACKAGING = True

# manylinux1, 2010 and 2014 are the older names of three of these.
_OLDEST_GLIBC = 5
_NO_WHEEL = re.compile(r"No matching distribution found for (\S+)")

RunCommand = Callable[..., "tuple[int, str, str]"]


def requirements_for(platform: Platform, locked: str) -> str:
    """The lines of a lock that count on this platform, with their hashes and without their conditions.

    pip itself would ask the conditions of the machine it runs on.
    """
    environment = _markers(platform)
    kept = []
    for line in locked.replace("\\\n", " ").splitlines():
        requirement, *hashes = line.partition(" #")[0].split(" --hash=")
        if not requirement.strip() or requirement.lstrip().startswith("#"):
            continue
        try:
            parsed = Requirement(requirement.strip())
        except InvalidRequirement as problem:
            raise WheelhouseProblem(f"The lock of the service has a line that is no requirement: {problem}") from None
        if parsed.marker is None or parsed.marker.evaluate(environment):
            parsed.marker = None
            kept.append(" --hash=".join([str(parsed), *(digest.strip() for digest in hashes)]))
    return "".join(f"{line}\n" for line in kept)


def _markers(platform: Platform) -> dict[str, str]:
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{platform.python}.0",
        "os_name": "posix",
        "platform_machine": platform.arch,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{platform.python}.0",
        "python_version": platform.python,
        "sys_platform": "linux",
    }


def download_options(platform: Platform) -> list[str]:
    """What tells pip to fetch wheels for another host; the best fitting of several wheels first."""
    major, minor = (int(part) for part in platform.glibc.split("."))
    tags = [f"manylinux_{major}_{number}_{platform.arch}" for number in range(minor, _OLDEST_GLIBC - 1, -1)]
    tags += [f"{name}_{platform.arch}" for name in ("manylinux2014", "manylinux2010", "manylinux1")]
    options = ["--only-binary=:all:", "--no-deps", "--require-hashes", "--implementation", "cp"]
    options += ["--python-version", platform.python]
    for abi in ("cp" + platform.python.replace(".", ""), "abi3", "none"):
        options += ["--abi", abi]
    for tag in tags:
        options += ["--platform", tag]
    return options


def download(platform: Platform, locked: str, folder: str, scratch: str, run: RunCommand) -> None:
    """Fetch what the lock asks for into a folder."""
    requirements = os.path.join(scratch, "requirements.txt")
    with open(requirements, "w", encoding="utf-8") as stream:
        stream.write(requirements_for(platform, locked))
    command = [*_pip(scratch, run), "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += [*download_options(platform), "--dest", folder, "--requirement", requirements]
    code, output, errors = run(command, cwd=scratch)
    if code != 0:
        lacking = _NO_WHEEL.search(errors)
        if lacking:
            raise WheelhouseProblem(
                f"The package index has no wheel of {lacking.group(1)} for {platform}: choose another of the three."
            )
        raise WheelhouseProblem(explain("pip", command, code, output + "\n" + errors))


def _pip(scratch: str, run: RunCommand) -> list[str]:
    """The pip beside Ansible, or a fresh one where Ansible came without."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-I", "-m", "pip"]
    environment = os.path.join(scratch, "pip")
    code, output, errors = run([sys.executable, "-I", "-m", "venv", environment])
    if code != 0:
        raise WheelhouseProblem(
            f"{sys.executable} has neither pip nor a venv module that could bring it: install one of them.\n"
            + (output + errors).strip()
        )
    return [os.path.join(environment, "bin", "python"), "-I", "-m", "pip"]
