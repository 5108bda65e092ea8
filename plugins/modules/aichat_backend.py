#!/usr/bin/python

# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: aichat_backend
short_description: Install or remove the chat backend on a host
version_added: 0.1.0
description:
  - Ships the service that comes with this collection from the controller and installs it, with its locked dependencies,
    into a release folder that is never changed afterwards.
    The folder is named after the version and the digest of the content, so the same content is never installed twice.
  - The switch to a release is one atomic rename. The last few releases are kept.
  - An installation that was interrupted is recognised, removed and done again.
  - Nothing is restarted; that is for the caller.
attributes:
  action:
    support: full
    description: The source is read on the controller and transferred only when the host lacks the release.
  async:
    support: none
    description: Supports the C(async) keyword.
  check_mode:
    support: full
    description: Can run in check mode and says what would change.
  diff_mode:
    support: full
    description: Shows the releases and the launcher before and after.
  platform:
    support: full
    platforms: posix
    description: The operating systems it works on.
options:
  state:
    description: Whether the service is installed. V(absent) removes the releases and the launcher, never data or configuration.
    type: str
    choices: [present, absent]
    default: present
  source:
    description: Folder of the service's source on the controller. Without it the one that comes with the collection.
    type: path
  install_root:
    description: Folder for the releases.
    type: path
    default: /opt/aichat-backend
  launcher:
    description:
      - The program that starts the current release.
        A file that somebody put there by hand is replaced, which the diff says; with O(state=absent) it is left alone.
    type: path
    default: /usr/sbin/aichat-backend
  python:
    description:
      - Name or absolute path of the Python to use, such as V(python3.12).
        Without it the newest from 3.11 to 3.13 on the host.
      - A release that was built with another Python stays; a second one is built beside it.
    type: str
  installer:
    description: V(auto) takes uv when it is on the host, else the Python's own venv and pip.
    type: str
    choices: [auto, uv, pip]
    default: auto
  user:
    description: The user the service runs as. A new release must start for this user before it is used.
    type: str
  keep_releases:
    description: How many releases to keep, the current one included; at least V(2), so that there is a way back.
    type: int
    default: 3
  shipment:
    description: What the action plugin ships from O(source). It fills this in by itself; what a task gives here is ignored.
    type: dict
    suboptions:
      version:
        description: Version of the service.
        type: str
        required: true
      digest:
        description: Digest of the service's content.
        type: str
        required: true
      archive:
        description: The transferred archive on the host, once it turned out to be needed.
        type: path
author:
  - percona.pmm_ai_chat contributors (@percona)
"""

EXAMPLES = r"""
- name: Install the chat backend
  percona.pmm_ai_chat.aichat_backend:
    user: pmm
  notify: Restart aichat-backend

- name: Install it with a certain Python, below /usr/local
  percona.pmm_ai_chat.aichat_backend:
    python: python3.12
    launcher: /usr/local/bin/aichat-backend

- name: Remove it
  percona.pmm_ai_chat.aichat_backend:
    state: absent
"""

RETURN = r"""
version:
  description: Version of the service.
  returned: when O(state=present)
  type: str
  sample: 0.1.0
digest:
  description: SHA-256 digest of the service's content.
  returned: when O(state=present)
  type: str
  sample: 0f343b0931126a20f133d67c2b018a3b8bc7dd4d4a5f4e0bd2a4b0c1d2e3f405
release:
  description: Folder of the release that is current now.
  returned: when O(state=present)
  type: str
  sample: /opt/aichat-backend/releases/0.1.0-0f343b093112
previous_release:
  description: Folder of the release that was current before this run.
  returned: when there was one
  type: str
  sample: /opt/aichat-backend/releases/0.1.0-a1b2c3d4e5f6
installed:
  description: Whether the release was, or would be, installed by this run.
  returned: when O(state=present)
  type: bool
  sample: true
switched:
  description: Whether another release became current. The service then wants a restart.
  returned: when O(state=present)
  type: bool
  sample: true
installer:
  description: What the release was installed with.
  returned: when O(state=present)
  type: str
  choices: [uv, pip]
  sample: uv
python:
  description: The Python the release is built on.
  returned: when O(state=present)
  type: str
  sample: /usr/bin/python3.13
python_version:
  description: The version of this Python.
  returned: when O(state=present)
  type: str
  sample: 3.13.5
launcher:
  description: The program that starts the current release.
  returned: success
  type: str
  sample: /usr/sbin/aichat-backend
releases_removed:
  description: Releases that were removed, because they were old or their installation had been interrupted.
  returned: success
  type: list
  elements: str
  sample: [0.0.9-9f8e7d6c5b4a]
"""

import hashlib
import os
import pwd
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils import _launcher
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._atomic_file import (
    Attributes,
    FileProblem,
    attributes_differ,
    read_regular,
    write_atomically,
)
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._deployment import Deployment, Plan
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._installers import InstallProblem
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._interpreters import PythonProblem
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._releases import ReleaseProblem, ReleaseStore
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._run_as import Identity, identity_of
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._service_source import SourceProblem

_LAUNCHER_ATTRIBUTES = Attributes(uid=0, gid=0, mode=_launcher.MODE)


class Launcher:
    """The launcher's file as it is and as it should be."""

    def __init__(self, path: str, store: ReleaseStore) -> None:
        self.path = path
        folder = os.path.dirname(path)
        if not os.path.isdir(folder):
            raise FileProblem(f"The launcher's folder {folder} does not exist: make it, or choose another launcher.")
        # A link here, say to a hand-made build, is replaced like any other program: renaming never follows it.
        self.is_link = os.path.islink(path)
        self.found = None if self.is_link else read_regular(path)
        self.wanted = _launcher.render(store.current_link)

    @property
    def differs(self) -> bool:
        if self.is_link or self.found != self.wanted:
            return True
        return os.geteuid() == 0 and attributes_differ(self.path, _LAUNCHER_ATTRIBUTES)

    def place(self) -> None:
        owner = _LAUNCHER_ATTRIBUTES if os.geteuid() == 0 else Attributes(mode=_launcher.MODE)
        write_atomically(self.path, self.wanted, owner)

    def description(self) -> str:
        if self.is_link:
            return f"(a link to {os.readlink(self.path)})\n"
        return _launcher.describe(self.found, hashlib.sha256(self.found or b"").hexdigest())


def state_text(current: str | None, releases: list[str]) -> str:
    """The releases for a diff."""
    lines = ["current: %s" % (current or "none"), "releases:"]
    return "\n".join(lines + [f"  - {name}" for name in sorted(releases)]) + "\n"


def differences(store: ReleaseStore, launcher: Launcher, plan: Plan) -> list[dict[str, str]]:
    unfinished = store.unfinished()
    before = [f"{name} (unfinished)" if name in unfinished else name for name in store.names()]
    after = [name for name in store.names() if name not in plan.removed]
    if plan.release.name not in after:
        after.append(plan.release.name)
    found = [
        {
            "before_header": store.root,
            "after_header": store.root,
            "before": state_text(store.current(), before),
            "after": state_text(plan.release.name, after),
        }
    ]
    if launcher.differs:
        found.append(
            {
                "before_header": launcher.path,
                "after_header": launcher.path,
                "before": launcher.description(),
                "after": launcher.wanted.decode(),
            }
        )
    return found


def present(module: AnsibleModule, store: ReleaseStore) -> dict[str, object]:
    """Bring the release, the link and the launcher to what they should be."""
    shipment = module.params["shipment"]
    deployment = Deployment(
        store,
        version=shipment["version"],
        digest=shipment["digest"],
        python=module.params["python"],
        installer=module.params["installer"],
        keep=module.params["keep_releases"],
        run=module.run_command,
    )
    plan = deployment.plan()
    launcher = Launcher(module.params["launcher"], store)
    previous = store.current()
    result: dict[str, object] = {
        "changed": plan.changes or launcher.differs,
        "version": plan.release.version,
        "digest": plan.release.digest,
        "release": store.path(plan.release.name),
        "installed": plan.install,
        "switched": plan.switch,
        "installer": plan.release.installer,
        "python": plan.release.python,
        "python_version": plan.release.python_version,
        "launcher": launcher.path,
        "releases_removed": plan.removed,
        "diff": differences(store, launcher, plan),
    }
    if previous is not None:
        result["previous_release"] = store.path(previous)
    if module.check_mode:
        return result
    if plan.install and shipment["archive"] is None:
        return {"changed": False, "archive_needed": True}
    deployment.carry_out(plan, shipment["archive"], _identity(module.params["user"]), time.time_ns())
    if launcher.differs:
        launcher.place()
    return result


def absent(module: AnsibleModule, store: ReleaseStore) -> dict[str, object]:
    """Remove the releases and our launcher."""
    path: str = module.params["launcher"]
    found = None if os.path.islink(path) else read_regular(path)
    ours = found is not None and _launcher.is_ours(found)
    if os.path.lexists(path) and not ours:
        module.warn(f"{path} was not placed by this collection and stays.")
    removed = store.names()
    diff = {
        "before_header": store.root,
        "after_header": store.root,
        "before": state_text(store.current(), removed) + (f"launcher: {path}\n" if ours else ""),
        "after": "",
    }
    there = bool(store.owned_paths()) or ours
    if there and not module.check_mode:
        with store.locked():
            if ours:
                os.unlink(path)
            store.clear()
    return {"changed": there, "launcher": path, "releases_removed": removed, "diff": diff if there else []}


def _identity(user: str | None) -> Identity | None:
    if user is None:
        return None
    try:
        return identity_of(pwd.getpwnam(user).pw_uid)
    except KeyError:
        raise FileProblem(f"There is no user {user!r} on this host.") from None


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "source": {"type": "path"},
            "install_root": {"type": "path", "default": "/opt/aichat-backend"},
            "launcher": {"type": "path", "default": "/usr/sbin/aichat-backend"},
            "python": {"type": "str"},
            "installer": {"type": "str", "choices": ["auto", "uv", "pip"], "default": "auto"},
            "user": {"type": "str"},
            "keep_releases": {"type": "int", "default": 3},
            "shipment": {
                "type": "dict",
                "options": {
                    "version": {"type": "str", "required": True},
                    "digest": {"type": "str", "required": True},
                    "archive": {"type": "path"},
                },
            },
        },
        required_if=[("state", "present", ("shipment",))],
        supports_check_mode=True,
    )
    if module.params["keep_releases"] < 2:
        module.fail_json(
            msg="keep_releases is %d: keep at least 2, the current one and a way back." % module.params["keep_releases"]
        )
    os.umask(0o022)
    store = ReleaseStore(module.params["install_root"])
    try:
        if module.params["state"] == "absent":
            result = absent(module, store)
        elif module.check_mode:
            result = present(module, store)
        else:
            with store.locked():
                result = present(module, store)
    except (FileProblem, InstallProblem, PythonProblem, ReleaseProblem, SourceProblem) as problem:
        module.fail_json(msg=str(problem))
    except OSError as problem:
        module.fail_json(msg=f"{problem.filename or store.root}: {problem.strerror or problem}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
