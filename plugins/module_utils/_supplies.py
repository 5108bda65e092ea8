# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the packages of a new release come from, and which Python that leaves to choose."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ansible_collections.percona.pmm_ai_chat.plugins.module_utils import _interpreters, _wheelhouse
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._installers import Supply
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._wheelhouse import Platform, WheelhouseProblem

RunCommand = Callable[..., "tuple[int, str, str]"]


@dataclass(frozen=True)
class Wheels:
    """A wheelhouse of the controller: its name there, what it is for, and its copy here once it was transferred."""

    name: str
    needed: Platform
    archive: str | None = None


@dataclass(frozen=True)
class Supplies:
    """A package index, or a wheelhouse."""

    index_url: str | None = None
    wheels: Wheels | None = None

    def interpreter(self, wanted: str | None, needs_venv: bool, run: RunCommand) -> _interpreters.Interpreter:
        """The Python for a new release; with a wheelhouse only the one it was made for."""
        distribution = _interpreters.distribution_family()
        if self.wheels is None:
            return _interpreters.choose(wanted, needs_venv, run, distribution)
        name = wanted or f"python{self.wheels.needed.python}"
        if wanted is None and _interpreters.locate(name) is None:
            raise WheelhouseProblem(
                self._misfit(self.wheels, [found.version for found in _interpreters.installed(run)])
            )
        chosen = _interpreters.choose(name, needs_venv, run, distribution)
        host = _this_host("%d.%d" % chosen.minor)
        if not host.carries(self.wheels.needed):
            raise WheelhouseProblem(self._misfit(self.wheels, [chosen.version]))
        return chosen

    @staticmethod
    def _misfit(wheels: Wheels, pythons: list[str]) -> str:
        here = _this_host(" and ".join(dict.fromkeys(pythons)) or "(none that suits)")
        newest = ".".join(pythons[0].split(".")[:2]) if pythons else wheels.needed.python
        return (
            f"The wheelhouse {wheels.name} is for {wheels.needed} or newer, and this host has {here}. "
            f"{_this_host(newest).how_to_make}"
        )

    def lay_out(self, folder: str) -> Supply:
        """Make the supply ready for the installer, below a folder that goes away with the installation."""
        if self.wheels is None:
            return Supply(index_url=self.index_url)
        if self.wheels.archive is None:
            raise WheelhouseProblem(f"The wheelhouse {self.wheels.name} was not transferred.")
        os.makedirs(folder, mode=0o700)
        _wheelhouse.unpack(self.wheels.archive, folder)
        return Supply(folder=folder)


def supplies_of(params: dict[str, Any]) -> Supplies:
    """What the parameters of the module say about it."""
    wheels = params["shipment"]["wheels"]
    if wheels is None:
        return Supplies(params["index_url"])
    needed = Platform(wheels["python"], wheels["arch"], wheels["glibc"])
    return Supplies(wheels=Wheels(params["wheelhouse"], needed, wheels["archive"]))


def _this_host(python: str) -> Platform:
    return Platform(python, platform.machine(), _wheelhouse.host_glibc())
