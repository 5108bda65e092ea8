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
    were known to work, so it stays, unless O(renew) says that what is there now works as well.
  - Files that are put back from such a one may have been edited since; what they replace is kept as a backup.
  - The copies may hold secrets; they lie in a folder that only root can read.
extends_documentation_fragment:
  - percona.pmm_ai_chat.attributes
attributes:
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
  note:
    description: What to remember beside the files. It is returned as long as the restore point is there.
    type: dict
    default: {}
  renew:
    description: Take a new restore point although there is one.
    type: bool
    default: false
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
  description: The files that were, or would be, put back or removed.
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

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._atomic_file import FileProblem
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._restore_point import RestorePoint


def taken(module: AnsibleModule, point: RestorePoint) -> dict[str, object]:
    """Take one, or go on with the one that is there."""
    contents = point.read()
    take = contents is None or module.params["renew"]
    if not module.check_mode:
        if take:
            point.take(module.params["files"], module.params["note"])
        elif contents is not None:
            point.adopt(contents)
    note = module.params["note"] if take or contents is None else contents.note
    return {"changed": take, "unfinished": contents is not None, "note": note}


def restored(module: AnsibleModule, point: RestorePoint) -> dict[str, object]:
    """Put back what is no longer as it was."""
    contents = point.read()
    if contents is None:
        return {"changed": False, "found": False, "restored": [], "backups": []}
    changed = point.changed(contents)
    backups: list[str] = []

    def back_up(path: str) -> None:
        if contents.adopted:
            backups.append(module.backup_local(path))

    if not module.check_mode:
        for kept in changed:
            point.restore(kept, back_up)
    return {
        "changed": bool(changed),
        "found": True,
        "note": contents.note,
        "restored": [kept.path for kept in changed],
        "backups": backups,
    }


def absent(module: AnsibleModule, point: RestorePoint) -> dict[str, object]:
    """Forget it."""
    there = os.path.lexists(point.folder)
    if there and not module.check_mode:
        point.drop()
    return {"changed": there}


STATES = {"taken": taken, "restored": restored, "absent": absent}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["taken", "restored", "absent"], "default": "taken"},
            "path": {"type": "path", "default": "/var/lib/aichat-backend/restore-point"},
            "files": {"type": "list", "elements": "path", "default": []},
            "note": {"type": "dict", "default": {}},
            "renew": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        result = STATES[module.params["state"]](module, RestorePoint(module.params["path"]))
    except FileProblem as problem:
        module.fail_json(msg=str(problem))
    except OSError as problem:
        module.fail_json(msg=f"{problem.filename or module.params['path']}: {problem.strerror or problem}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
