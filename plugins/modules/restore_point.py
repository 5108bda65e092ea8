#!/usr/bin/python

# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restore_point
short_description: Keep files as they are before a deployment, and put them back when it fails
version_added: 0.1.0
description:
  - With V(taken) copies files before a run changes them, with V(restored) puts them back as they were, to the byte, owner, mode and time;
    a file that was not there is removed. With V(absent) the copies are forgotten, because all went well.
  - A restore point that is found when one is to be taken was left by a run that did not end. It still tells how things were when they
    were known to work, so it stays, unless what is there now works as well, see O(in_use_by).
    What this run may change besides is added to it, as it is by then.
  - Files that are put back from such a one may have been edited since; what they replace is kept as a backup,
    unless it is as M(percona.pmm_ai_chat.config_file) placed it, or O(generated) says that nobody edits it.
  - One of another run that goes on is refused, so that two runs do not change one host at the same time. Whether a run goes on is known
    for certain where it was begun on the same controller. One of another controller counts as one that goes on for half an hour.
  - The copies may hold secrets; they lie in a folder that only root can read.
extends_documentation_fragment:
  - percona.pmm_ai_chat.attributes
  - percona.pmm_ai_chat.attributes.action
attributes:
  action:
    details: It says whose the restore point is, and finds out whether another run goes on.
  diff_mode:
    support: none
    details: The files may hold secrets. Their paths are returned.
options:
  state:
    description: What to do.
    type: str
    choices: [taken, restored, absent]
    default: taken
  path:
    description: The folder for the copies.
    type: path
    default: /var/lib/aichat-backend/restore-point
  files:
    description: Which files to keep; regular files, links, or what is not there yet.
    type: list
    elements: path
    default: []
  generated:
    description: Those of O(files) that nobody edits. Of these no backup is kept.
    type: list
    elements: path
    default: []
  state_file:
    description: Where M(percona.pmm_ai_chat.config_file) remembers what it placed.
    type: path
    default: /var/lib/aichat-backend/placed.json
  note:
    description: What to remember beside the files. It is returned as long as the restore point is there.
    type: dict
    default: {}
  in_use_by:
    description:
      - A process that works well with what is there. When whatever was changed since the restore point was taken was changed before that
        process began, a new one is taken in its place.
      - The caller answers for it that the process has read what was there when it began.
    type: int
  take_over:
    description: Go on with the restore point of another run, which was ended.
    type: bool
    default: false
  owner:
    description: Whose restore point it is. The action plugin fills this in by itself; what a task gives here is ignored.
    type: dict
author:
  - percona.pmm_ai_chat contributors (@percona)
"""

EXAMPLES = r"""
- name: Deploy, or leave everything as it was
  block:
    - name: Keep what is there
      percona.pmm_ai_chat.restore_point:
        files: [/etc/supervisord.d/ai-chat.ini]

    - name: Change it
      ansible.builtin.import_tasks: configure.yml

    - name: Forget what was there
      percona.pmm_ai_chat.restore_point:
        state: absent
  rescue:
    - name: Put back what was there
      percona.pmm_ai_chat.restore_point:
        state: restored
"""

RETURN = r"""
unfinished:
  description: Whether there is a restore point of a run that did not end.
  returned: when O(state=taken)
  type: bool
  sample: false
taken:
  description: Whether one was, or would be, taken. Otherwise the one of a run that did not end stays.
  returned: when O(state=taken)
  type: bool
  sample: true
found:
  description: Whether there is a restore point.
  returned: when O(state=restored)
  type: bool
  sample: true
note:
  description: What is remembered beside the files.
  returned: when there is a restore point, and O(state) is not V(absent)
  type: dict
  sample: {release: 0.1.0-0f343b093112}
restored:
  description: The files that were, or would be, put back or removed, and then the folders that were not there and are empty.
  returned: when O(state=restored)
  type: list
  elements: str
  sample: [/etc/supervisord.d/ai-chat.ini]
backups:
  description: Where files went that may have been edited since the restore point was taken.
  returned: when O(state=restored)
  type: list
  elements: str
  sample: [/etc/supervisord.d/ai-chat.ini.4711.2026-11-22@10:00:00~]
"""

import contextlib
import os
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._atomic_file import FileProblem
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._conffile import PlacedFiles
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._process import began
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._restore_point import Contents, RestorePoint


def taken(module: AnsibleModule, point: RestorePoint, contents: Contents | None) -> dict[str, object]:
    """Take one, or go on with the one that is there."""
    files, generated = module.params["files"], module.params["generated"]
    take = contents is None or is_in_use(point, contents, module.params["in_use_by"])
    if not module.check_mode:
        if take:
            point.take(files, generated, module.params["note"], module.params["owner"])
        elif contents is not None:
            point.adopt(contents, files, generated, module.params["owner"])
    note = module.params["note"] if take or contents is None else contents.note
    return {"changed": take, "taken": take, "unfinished": contents is not None, "note": note}


def is_in_use(point: RestorePoint, contents: Contents, pid: int | None) -> bool:
    """Whether this process has begun with all that was changed since."""
    start = None if pid is None else began(pid)
    # The beginning is known to the second.
    return start is not None and not point.changed_after(contents, start - 1)


def restored(module: AnsibleModule, point: RestorePoint, contents: Contents | None) -> dict[str, object]:
    """Put back what is no longer as it was."""
    if contents is None:
        return {"changed": False, "found": False, "restored": [], "backups": []}
    changed = point.changed(contents)
    folders = point.surplus_folders(contents, changed)
    backups: list[str] = []
    if not module.check_mode:
        # All of them before the first is put back, which may be the list of what was placed.
        backups = [module.backup_local(kept.path) for kept in changed if point.may_be_edited(contents, kept)]
        for kept in changed:
            point.restore(kept)
        for folder in folders:
            point.remove_folder(folder)
    return {
        "changed": bool(changed or folders),
        "found": True,
        "note": contents.note,
        "restored": [kept.path for kept in changed] + folders,
        "backups": backups,
    }


def absent(module: AnsibleModule, point: RestorePoint, _contents: Contents | None) -> dict[str, object]:
    """Forget it."""
    there = os.path.lexists(point.folder)
    if there and not module.check_mode:
        point.drop()
    return {"changed": there}


def found(module: AnsibleModule, point: RestorePoint) -> Contents | None:
    """What is there. A damaged one can still be forgotten."""
    try:
        return point.read()
    except FileProblem:
        if module.params["state"] != "absent":
            raise
        return None


def done(module: AnsibleModule, point: RestorePoint) -> dict[str, object]:
    """Do what was asked for, unless it is another run's restore point."""
    contents = found(module, point)
    if contents is None or contents.owner == module.params["owner"] or module.params["take_over"]:
        return STATES[module.params["state"]](module, point, contents)
    last = point.last_step()
    return {
        "changed": False,
        "held_by": contents.owner,
        "held_since": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(last)),
        "held_for": int(time.time() - last),
    }


STATES = {"taken": taken, "restored": restored, "absent": absent}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["taken", "restored", "absent"], "default": "taken"},
            "path": {"type": "path", "default": "/var/lib/aichat-backend/restore-point"},
            "files": {"type": "list", "elements": "path", "default": []},
            "generated": {"type": "list", "elements": "path", "default": []},
            "state_file": {"type": "path", "default": "/var/lib/aichat-backend/placed.json"},
            "note": {"type": "dict", "default": {}},
            "in_use_by": {"type": "int"},
            "take_over": {"type": "bool", "default": False},
            "owner": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    point = RestorePoint(module.params["path"], PlacedFiles(module.params["state_file"]))
    try:
        # To look, one need not be alone.
        with contextlib.nullcontext() if module.check_mode else point.locked():
            result = done(module, point)
    except FileProblem as problem:
        module.fail_json(msg=str(problem))
    except OSError as problem:
        module.fail_json(msg=f"{problem.filename or module.params['path']}: {problem.strerror or problem}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
