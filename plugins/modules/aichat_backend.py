#!/usr/bin/python

# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: aichat_backend
short_description: Install the chat backend on a host, roll it back or remove it
version_added: 0.1.0
description:
  - Ships the service that comes with this collection from the controller and installs it, with its locked dependencies,
    into a release folder that is never changed afterwards.
    The folder is named after the version and the digest of the content, so the same content is never installed twice.
  - The switch to a release is one atomic rename. The last few releases that were in use are kept.
  - An installation that was interrupted is recognised, removed and done again.
  - Nothing is restarted; that is for the caller.
extends_documentation_fragment:
  - percona.pmm_ai_chat.attributes
  - percona.pmm_ai_chat.attributes.action
attributes:
  action:
    details: The source is read on the controller and transferred only when the host lacks the release.
options:
  state:
    description:
      - V(present) makes the shipped release the current one, and installs it where it is lacking.
      - V(rolled_back) makes the release the current one that was so before, or O(release).
        Having gone back, it goes no further by itself; a second run changes nothing.
      - V(undone) takes a switch back that turned out to be a bad one, as if it had never been. O(release) becomes the current one again;
        without it none was current before, and none is. The launcher is left alone, and so is the release that it leads away from.
      - V(absent) removes the releases and the launcher, never data or configuration.
    type: str
    choices: [present, absent, rolled_back, undone]
    default: present
  release:
    description:
      - What O(state=rolled_back) and O(state=undone) go back to, by the name of its folder, or by a version that only one release has.
    type: str
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
        A file that somebody put there by hand is replaced and kept beside it, which a warning says; with O(state=absent) it is left alone.
        A file of an RPM package is never replaced.
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
  wheelhouse:
    description:
      - A file on the controller that M(percona.pmm_ai_chat.wheelhouse) made. The packages then come from it, and no index is asked.
      - When a release is to be installed, a wheelhouse that was made for another Python, another architecture or other locked
        dependencies is refused before anything is changed. Without O(python), the Python it was made for is taken.
      - A relative path counts from the folder in which Ansible was started.
    type: path
  index_url:
    description:
      - Address of the package index to install from, in place of the one that the host's pip or uv is set up for.
        Whatever the index delivers, only packages with the locked digests are installed.
    type: str
  user:
    description: The user the service runs as. A new release must start for this user before it is used.
    type: str
  keep_releases:
    description:
      - How many releases to keep, the current one and the one that it follows included; at least V(2), so that there is a way back.
      - Beyond them, those that never were in use go first, say because they were not healthy; then those that were gone back from;
        then those that were in use the longest ago.
    type: int
    default: 3
  needed_releases:
    description: Releases that stay besides, by the names of their folders, because there may have to be a way back to them.
    type: list
    elements: str
    default: []
  settings:
    description:
      - What the service is going to run with. A release is asked about it before it becomes the current one;
        when it would not start with these settings, the task fails with its message, and nothing is switched.
      - In check mode only a release that is already on the host can be asked.
    type: dict
    suboptions:
      ini:
        description: Text of the program's supervisord configuration. It never appears in the log or in the invocation.
        type: str
        required: true
      environment:
        description: Variables that stand in for what is placed only later, such as the API key. What the ini sets goes before.
        type: dict
        default: {}
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
      wheels:
        description: What O(wheelhouse) is for.
        type: dict
        suboptions:
          python:
            description: Minor version of Python.
            type: str
            required: true
          arch:
            description: Architecture.
            type: str
            required: true
          glibc:
            description: Oldest C library.
            type: str
            required: true
          archive:
            description: The transferred wheelhouse on the host, once it turned out to be needed.
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

- name: Install it if it would start with the configuration that is there
  percona.pmm_ai_chat.aichat_backend:
    user: pmm
    settings:
      ini: "{{ lookup('ansible.builtin.file', 'ai-chat.ini') }}"

- name: Go back to the release before
  percona.pmm_ai_chat.aichat_backend:
    state: rolled_back
    user: pmm
  notify: Restart aichat-backend

- name: Go back to a certain release
  percona.pmm_ai_chat.aichat_backend:
    state: rolled_back
    release: 0.1.0-0f343b093112

- name: Undo the switch to a release that is not healthy
  percona.pmm_ai_chat.aichat_backend:
    state: undone
    release: "{{ installed.previous_release | default('') | basename | default(omit, true) }}"

- name: Install it on a host without a network, from a file on the controller
  percona.pmm_ai_chat.aichat_backend:
    wheelhouse: /srv/wheelhouses/aichat-backend-0.1.0-wheelhouse-py3.12-x86_64.tar

- name: Install it from a mirror of the package index
  percona.pmm_ai_chat.aichat_backend:
    index_url: https://mirror.example.com/simple

- name: Remove it
  percona.pmm_ai_chat.aichat_backend:
    state: absent
"""

RETURN = r"""
version:
  description: Version of the service.
  returned: when the service is installed
  type: str
  sample: 0.1.0
digest:
  description: SHA-256 digest of the service's content.
  returned: when the service is installed
  type: str
  sample: 0f343b0931126a20f133d67c2b018a3b8bc7dd4d4a5f4e0bd2a4b0c1d2e3f405
release:
  description: Folder of the release that is current now.
  returned: when the service is installed
  type: str
  sample: /opt/aichat-backend/releases/0.1.0-0f343b093112
previous_release:
  description: Folder of the release that was current before this run.
  returned: when there was one
  type: str
  sample: /opt/aichat-backend/releases/0.1.0-a1b2c3d4e5f6
installed:
  description: Whether the release was, or would be, installed by this run.
  returned: when the service is installed
  type: bool
  sample: true
switched:
  description: Whether another release became current. The service then wants a restart.
  returned: when O(state) is not V(absent)
  type: bool
  sample: true
installer:
  description: What the release was installed with.
  returned: when the service is installed
  type: str
  choices: [uv, pip]
  sample: uv
python:
  description: The Python the release is built on.
  returned: when the service is installed
  type: str
  sample: /usr/bin/python3.13
python_version:
  description: The version of this Python.
  returned: when the service is installed
  type: str
  sample: 3.13.5
launcher:
  description: The program that starts the current release.
  returned: success
  type: str
  sample: /usr/sbin/aichat-backend
backup_file:
  description: What another program is now that was in the launcher's place.
  returned: when there was one
  type: str
  sample: /usr/sbin/aichat-backend.4711.2026-11-22@10:00:00~
releases_removed:
  description: Releases that were removed, because they were old or their installation had been interrupted.
  returned: success
  type: list
  elements: str
  sample: [0.0.9-9f8e7d6c5b4a]
"""

import contextlib
import os
import pwd
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils import _launcher
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._atomic_file import FileProblem, read_regular
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._deployment import Deployment
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._ini_text import IniError
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._installers import InstallProblem, check_start
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._interpreters import PythonProblem
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._launcher import Launcher
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._releases import Release, ReleaseProblem, ReleaseStore
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._run_as import Identity, identity_of
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._service_source import SourceProblem
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._settings_check import SettingsProblem, check_settings
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._supplies import supplies_of
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._switches import BACK, Switches
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._way_back import named, way_back
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._wheelhouse import WheelhouseProblem


def state_text(current: str | None, releases: list[str]) -> str:
    """The releases for a diff."""
    lines = ["current: %s" % (current or "none"), "releases:"]
    return "\n".join(lines + [f"  - {name}" for name in sorted(releases)]) + "\n"


def differences(store: ReleaseStore, launcher: Launcher, release: Release, removed: list[str]) -> list[dict[str, str]]:
    """What changes, for a diff."""
    unfinished = store.unfinished()
    before = [f"{name} (unfinished)" if name in unfinished else name for name in store.names()]
    after = [name for name in store.names() if name not in removed]
    if release.name not in after:
        after.append(release.name)
    found = [
        {
            "before_header": store.root,
            "after_header": store.root,
            "before": state_text(store.current(), before),
            "after": state_text(release.name, after),
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


def deployment_of(module: AnsibleModule, store: ReleaseStore) -> Deployment:
    """What was asked for."""
    shipment = module.params["shipment"]
    return Deployment(
        store,
        version=shipment["version"],
        digest=shipment["digest"],
        python=module.params["python"],
        installer=module.params["installer"],
        keep=module.params["keep_releases"],
        run=module.run_command,
        supplies=supplies_of(module.params),
        needed=tuple(module.params["needed_releases"]),
    )


def present(module: AnsibleModule, store: ReleaseStore) -> dict[str, object]:
    """Bring the release, the link and the launcher to what they should be."""
    shipment = module.params["shipment"]
    deployment = deployment_of(module, store)
    plan = deployment.plan()
    launcher = Launcher(module.params["launcher"], store)
    result: dict[str, object] = {
        "changed": plan.changes or launcher.differs,
        "installed": plan.install,
        "releases_removed": plan.removed,
        "diff": differences(store, launcher, plan.release, plan.removed),
        **described(store, launcher, plan.release),
    }
    if plan.install and (module.check_mode or shipment["archive"] is None):
        return result if module.check_mode else {"changed": False, "archive_needed": True}
    identity = _identity(module.params["user"])
    deployment.install(plan, shipment["archive"], identity, time.time_ns())
    judge(module, store.path(plan.release.name), identity)
    if not module.check_mode:
        deployment.switch(plan)
        result |= place(module, launcher)
    return result


def rolled_back(module: AnsibleModule, store: ReleaseStore) -> dict[str, object]:
    """Make the release before, or the one that was named, the current one again."""
    release = way_back(store, module.params["release"])
    launcher = Launcher(module.params["launcher"], store)
    switch = store.current() != release.name
    result: dict[str, object] = {
        "changed": switch or launcher.differs,
        "installed": False,
        "releases_removed": [],
        "diff": differences(store, launcher, release, []),
        **described(store, launcher, release),
    }
    if switch:
        identity = _identity(module.params["user"])
        check_start(store.path(release.name), release.version, identity)
        judge(module, store.path(release.name), identity)
    if module.check_mode:
        return result
    if switch:
        Switches(store).note(release.name, BACK)
        store.switch(release.name)
    return result | place(module, launcher)


def place(module: AnsibleModule, launcher: Launcher) -> dict[str, object]:
    """Put the launcher in its place, and keep another program that is there; tell of that."""
    kept: dict[str, object] = {}
    if launcher.is_foreign:
        kept["backup_file"] = module.backup_local(launcher.path)
        module.warn(f"{launcher.path} was another program, put there by hand. It is now {kept['backup_file']}.")
    if launcher.differs:
        launcher.place()
    return kept


def undone(module: AnsibleModule, store: ReleaseStore) -> dict[str, object]:
    """Make the release that was named, or none, the current one, as before the last switch."""
    wanted = module.params["release"]
    before = store.current()
    after = named(store, wanted).name if wanted else None
    if before != after and not module.check_mode:
        if after is None:
            store.switch_off()
        else:
            store.switch(after)
    releases = store.names()
    texts = {"before": state_text(before, releases), "after": state_text(after, releases)}
    return {
        "changed": before != after,
        "switched": before != after,
        "launcher": module.params["launcher"],
        "releases_removed": [],
        "diff": {"before_header": store.root, "after_header": store.root, **texts},
    }


def described(store: ReleaseStore, launcher: Launcher, release: Release) -> dict[str, object]:
    """What is told of the release that is, or would be, the current one."""
    before = store.current()
    told: dict[str, object] = {
        "version": release.version,
        "digest": release.digest,
        "release": store.path(release.name),
        "switched": before != release.name,
        "installer": release.installer,
        "python": release.python,
        "python_version": release.python_version,
        "launcher": launcher.path,
    }
    if before is not None:
        told["previous_release"] = store.path(before)
    return told


def judge(module: AnsibleModule, release: str, identity: Identity | None) -> None:
    """Let the release look at the settings, when there are any to look at."""
    settings = module.params["settings"]
    if settings is None:
        return
    for warning in check_settings(release, settings["ini"], settings["environment"], identity):
        module.warn(warning)


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


PROBLEMS = (
    FileProblem,
    IniError,
    InstallProblem,
    PythonProblem,
    ReleaseProblem,
    SettingsProblem,
    SourceProblem,
    WheelhouseProblem,
)
STATES = {"present": present, "absent": absent, "rolled_back": rolled_back, "undone": undone}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent", "rolled_back", "undone"], "default": "present"},
            "release": {"type": "str"},
            "source": {"type": "path"},
            "install_root": {"type": "path", "default": "/opt/aichat-backend"},
            "launcher": {"type": "path", "default": "/usr/sbin/aichat-backend"},
            "python": {"type": "str"},
            "installer": {"type": "str", "choices": ["auto", "uv", "pip"], "default": "auto"},
            "wheelhouse": {"type": "path"},
            "index_url": {"type": "str", "no_log": True},
            "user": {"type": "str"},
            "keep_releases": {"type": "int", "default": 3},
            "needed_releases": {"type": "list", "elements": "str", "default": []},
            "settings": {
                "type": "dict",
                # Of what is marked further inside, the host's log would show every line.
                "no_log": True,
                "options": {
                    # Secrets may stand in both; what is told of them is what the service says, masked.
                    "ini": {"type": "str", "required": True, "no_log": True},
                    "environment": {"type": "dict", "default": {}, "no_log": True},
                },
            },
            "shipment": {
                "type": "dict",
                "options": {
                    "version": {"type": "str", "required": True},
                    "digest": {"type": "str", "required": True},
                    "archive": {"type": "path"},
                    "wheels": {
                        "type": "dict",
                        "options": {
                            "python": {"type": "str", "required": True},
                            "arch": {"type": "str", "required": True},
                            "glibc": {"type": "str", "required": True},
                            "archive": {"type": "path"},
                        },
                    },
                },
            },
        },
        required_if=[("state", "present", ("shipment",))],
        mutually_exclusive=[("wheelhouse", "index_url")],
        supports_check_mode=True,
    )
    state = module.params["state"]
    if module.params["keep_releases"] < 2:
        module.fail_json(
            msg="keep_releases is %d: keep at least 2, the current one and a way back." % module.params["keep_releases"]
        )
    if module.params["release"] is not None and state not in ("rolled_back", "undone"):
        module.fail_json(msg=f"release names what to go back to; with state {state} it means nothing.")
    os.umask(0o022)
    store = ReleaseStore(module.params["install_root"])
    try:
        with contextlib.ExitStack() as holding:
            # What cannot be is refused before anything is made.
            if state in ("present", "rolled_back"):
                _launcher.refuse_packaged(module.params["launcher"], module.run_command)
            if state == "present":
                deployment_of(module, store).plan()
            # To look, nothing is made: neither the lock nor its folder.
            if not module.check_mode and (state == "present" or store.owned_paths()):
                holding.enter_context(store.locked())
            try:
                result = STATES[state](module, store)
            except BaseException:
                # Of a first installation that failed nothing stays, not even the folder.
                if not module.check_mode and not store.names() and store.current() is None:
                    store.clear()
                raise
    except PROBLEMS as problem:
        module.fail_json(msg=str(problem))
    except OSError as problem:
        module.fail_json(msg=f"{problem.filename or store.root}: {problem.strerror or problem}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
