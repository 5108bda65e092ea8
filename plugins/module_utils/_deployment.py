# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan a deployment from what is on the host, then carry the plan out."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ansible_collections.percona.pmm_ai_chat.plugins.module_utils import _installers, _interpreters, _supplies
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._releases import Release, ReleaseStore, remove_tree
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._run_as import Identity
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._service_source import (
    SourceProblem,
    digest_of,
    unpack_archive,
)
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._switches import FORWARD, Switches

_DIGEST_LENGTH = 12

RunCommand = Callable[..., "tuple[int, str, str]"]


@dataclass(frozen=True)
class Plan:
    """What is to be done; nothing of it has been done yet."""

    release: Release
    install: bool
    switch: bool
    removed: list[str] = field(default_factory=list)

    @property
    def changes(self) -> bool:
        return self.install or self.switch or bool(self.removed)


def name_of(version: str, digest: str) -> str:
    """The release folder's name."""
    return f"{version}-{digest[:_DIGEST_LENGTH]}"


@dataclass(frozen=True)
class Deployment:
    """One content on one host."""

    store: ReleaseStore
    version: str
    digest: str
    python: str | None
    installer: str
    keep: int
    run: RunCommand
    supplies: _supplies.Supplies = field(default_factory=_supplies.Supplies)
    needed: tuple[str, ...] = ()

    def plan(self) -> Plan:
        """Look at the host and decide."""
        base = name_of(self.version, self.digest)
        wanted = self._wanted_interpreter()
        present = self._present(wanted)
        release = present or self._new_release(base)
        removed = set(self.store.unfinished()) - ({release.name} if present is None else set())
        pinned = {release.name, self.store.current() or release.name, *self.needed}
        keep = self.keep if present is not None else self.keep - 1
        removed.update(Switches(self.store).surplus(keep, pinned))
        return Plan(release, present is None, self.store.current() != release.name, sorted(removed))

    def _wanted_interpreter(self) -> _interpreters.Interpreter | None:
        """Only a Python that was asked for by name can make an existing release unfit."""
        if self.python is None:
            return None
        return _interpreters.choose(self.python, False, self.run, _interpreters.distribution_family())

    def _present(self, wanted: _interpreters.Interpreter | None) -> Release | None:
        candidates = [
            release
            for release in self.store.finished()
            if release.digest == self.digest and (wanted is None or release.python_version == wanted.version)
        ]
        current = self.store.current()
        return next(
            (release for release in candidates if release.name == current), candidates[0] if candidates else None
        )

    def _new_release(self, base: str) -> Release:
        _installers.check_room(self.store.root)
        installer = self._installer()
        interpreter = self.supplies.interpreter(self.python, installer.uv is None, self.run)
        # The plain name may be taken by a release of the same content on another Python.
        taken = self.store.get(base) is not None
        name = f"{base}-py{interpreter.version}" if taken else base
        return Release(name, self.version, self.digest, interpreter.path, interpreter.version, installer.name, 0)

    def _installer(self) -> _installers.Installer:
        uv = None if self.installer == "pip" else _interpreters.locate("uv")
        if uv is None and self.installer == "uv":
            raise _installers.InstallProblem(
                "uv was asked for but is not on this host: install it, or choose installer auto or pip."
            )
        return _installers.Installer(uv)

    def install(self, plan: Plan, archive: str | None, identity: Identity | None, now_ns: int) -> None:
        """Build the release where it is lacking; the caller holds the lock."""
        if not plan.install:
            return
        if archive is None:
            raise SourceProblem("The service's source was not transferred.")
        self._build(replace(plan.release, installed_ns=now_ns), archive, identity)

    def switch(self, plan: Plan) -> None:
        """Make the release the current one and tidy up; the caller holds the lock."""
        if plan.switch:
            Switches(self.store).note(plan.release.name, FORWARD)
            self.store.switch(plan.release.name)
        for name in plan.removed:
            self.store.remove(name)

    def _build(self, release: Release, archive: str, identity: Identity | None) -> None:
        path = self.store.path(release.name)
        self.store.remove(release.name)
        remove_tree(self.store.work)
        try:
            source = os.path.join(self.store.work, "service")
            temporary = os.path.join(self.store.work, "tmp")
            os.makedirs(source, mode=0o700)
            os.makedirs(temporary, mode=0o700)
            unpack_archive(archive, source)
            if digest_of(source) != self.digest:
                raise SourceProblem(
                    "The transferred source is damaged: its digest differs from the controller's. Run again."
                )
            supply = self.supplies.lay_out(os.path.join(self.store.work, "wheels"))
            environment = _installers.clean_environment(dict(os.environ), temporary)
            os.environ.clear()
            os.environ.update(environment, **supply.environment)
            uv = _interpreters.locate("uv") if release.installer == "uv" else None
            _installers.build(_installers.Installer(uv, supply), release.python, path, source, self.run)
            _installers.check_start(path, release.version, identity)
            self.store.finish(release)
        except BaseException:
            self.store.remove(release.name)
            raise
        finally:
            remove_tree(self.store.work)
