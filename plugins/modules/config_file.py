#!/usr/bin/python

# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: config_file
short_description: Place a config file and keep the operator's edits
version_added: 0.1.0
description:
  - Treats a file as rpm and dpkg treat their config files.
    A file that nobody touched since it was last placed is updated.
    A file that somebody edited is kept, and when the shipped default changed meanwhile the new one is laid beside it as C(.new).
  - The file is replaced in one step and only after its content was checked.
  - When the file is no longer wanted, one that was edited is saved under another name, as rpm does.
extends_documentation_fragment:
  - percona.pmm_ai_chat.attributes
options:
  path:
    description: The file. A symbolic link is refused.
    type: path
    required: true
  state:
    description:
      - V(present) places the file.
      - V(absent) removes it, and the C(.new) file beside it. A file that was edited is kept as a backup;
        one that this module never dealt with is left alone.
    type: str
    choices: [present, absent]
    default: present
  content:
    description: What is shipped, required with O(state=present). It never appears in the log or in the invocation.
    type: str
  baseline:
    description:
      - The text whose change counts as a new default.
        Give the shipped text before variables are filled in, so that a changed variable alone does not produce a C(.new) file.
      - Without it O(content) itself is the default.
    type: str
  pristine:
    description:
      - Contents that count as not edited although this module did not place them, such as what a package brings along.
    type: list
    elements: str
    default: []
  predecessor:
    description:
      - Another place where an operator may have put this file. While there is nothing at O(path), a regular file there counts as an edited O(path),
        and is copied to it. It stays where it is; that is for the caller.
    type: path
  owner:
    description: Name of the owning user.
    type: str
  group:
    description: Name of the owning group.
    type: str
  mode:
    description: The octal mode, such as V(0640). A new file is V(0600) without it.
    type: str
  force:
    description:
      - Overwrite a file that was edited. The edited one is kept as a backup.
      - With O(state=absent), keep no backup, and remove those of earlier edits as well.
    type: bool
    default: false
  sensitive:
    description: Show nothing of the content in diffs.
    type: bool
    default: false
  validator:
    description:
      - What the content must satisfy before it goes live; for a file that is kept, what it must satisfy to be kept.
      - V(supervisord) parses the whole supervisord configuration, with this file in it, by supervisord's own parser.
      - V(mcp_servers) asks for JSON in one of the two known shapes of an MCP server list, V(json) for any JSON.
    type: str
    choices: [supervisord, mcp_servers, json]
  supervisord_configuration:
    description: Main configuration of supervisord. Without it that of the running supervisord is taken, else the usual places.
    type: path
  state_file:
    description: Where the digests of placed files are remembered.
    type: path
    default: /var/lib/aichat-backend/placed.json
author:
  - percona.pmm_ai_chat contributors (@percona)
"""

EXAMPLES = r"""
- name: Place the program's supervisord configuration
  percona.pmm_ai_chat.config_file:
    path: /etc/supervisord.d/ai-chat.ini
    content: "{{ lookup('ansible.builtin.file', 'ai-chat.ini') }}"
    owner: root
    group: pmm
    mode: "0640"
    validator: supervisord

- name: Remove it
  percona.pmm_ai_chat.config_file:
    path: /etc/supervisord.d/ai-chat.ini
    state: absent
"""

RETURN = r"""
decision:
  description:
    - What happened, or would happen, to the file.
    - With O(state=absent), V(saved) is a file that was edited and is now a backup, V(foreign) one that was left alone.
  returned: success
  type: str
  choices: [created, updated, overwritten, kept, unchanged, removed, saved, foreign]
  sample: updated
kept:
  description: Whether the file differs from what is shipped and was left alone.
  returned: success
  type: bool
  sample: false
new_path:
  description: Where the changed default was laid, when the file was kept.
  returned: when a new default was laid beside the file
  type: str
  sample: /etc/supervisord.d/ai-chat.ini.new
backup_file:
  description: Where the edited file went before it was overwritten or removed.
  returned: when an edited file was overwritten or removed
  type: str
  sample: /etc/supervisord.d/ai-chat.ini.4711.2026-11-22@10:00:00~
message:
  description: One sentence for the operator.
  returned: when the file was kept, saved or left alone
  type: str
  sample: /etc/supervisord.d/ai-chat.ini was edited on this host and is kept.
"""

import glob
import os
import tempfile
from dataclasses import astuple, dataclass

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._atomic_file import (
    FileProblem,
    apply_attributes,
    attributes,
    attributes_differ,
    attributes_difference,
    read_regular,
    write_atomically,
)
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._conffile import (
    Decision,
    PlacedFiles,
    Plan,
    Removal,
    decide,
    decide_removal,
)
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._content_checks import CHECKS, ContentProblem
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._masking import mask
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._supervisord import SupervisordProblem, discover


@dataclass(frozen=True)
class Changes:
    """What happens to the file, to its owner and mode, and to the default beside it."""

    replaced: bool
    taken_over: bool
    restored: bool
    offered: bool
    obsolete: bool


class ConfigFile:
    """One run for one file."""

    def __init__(self, module: AnsibleModule, content: bytes) -> None:
        self.module = module
        self.path: str = module.params["path"]
        self.shipped = content
        self.baseline = content if module.params["baseline"] is None else module.params["baseline"].encode()
        self.wanted = attributes(module.params["owner"], module.params["group"], module.params["mode"])
        self.remembered = PlacedFiles(module.params["state_file"])
        self.new_path = self.path + ".new"
        self.diffs: list[dict[str, str]] = []

    def run(self) -> dict[str, object]:
        origin, current = self._current()
        record = self.remembered.get(self.path)
        pristine = tuple(content.encode() for content in self.module.params["pristine"])
        plan = decide(current, self.shipped, self.baseline, record, self.module.params["force"], pristine)
        kept = plan.decision is Decision.KEEP
        self._validate(*(origin, current) if kept and current is not None else (self.path, self.shipped))

        taken_over = origin != self.path
        replaced = plan.decision not in (Decision.KEEP, Decision.NOTHING)
        changes = Changes(
            replaced=replaced,
            taken_over=taken_over,
            restored=not replaced and not taken_over and attributes_differ(self.path, self.wanted),
            offered=plan.offer and read_regular(self.new_path) != self.shipped,
            obsolete=not kept and os.path.lexists(self.new_path),
        )
        self._describe(current, changes)

        result: dict[str, object] = {
            "changed": any(astuple(changes)),
            "decision": plan.decision.value,
            "kept": kept,
            "diff": self.diffs,
        }
        if kept:
            result["message"] = (
                f"{self.path} takes over what stands in {origin}."
                if taken_over
                else f"{self.path} was edited on this host and is kept."
            )
        if changes.offered:
            result["new_path"] = self.new_path
            result["message"] = "{} The changed default lies beside it as {}.".format(result["message"], self.new_path)
        if not self.module.check_mode:
            self._apply(plan, changes, current, result)
        return result

    def _current(self) -> tuple[str, bytes | None]:
        """Where the file's text stands, and the text."""
        found = read_regular(self.path)
        predecessor = self.module.params["predecessor"]
        if (
            found is None
            and predecessor is not None
            and os.path.isfile(predecessor)
            and not os.path.islink(predecessor)
        ):
            return predecessor, read_regular(predecessor)
        return self.path, found

    def _apply(self, plan: Plan, changes: Changes, current: bytes | None, result: dict[str, object]) -> None:
        if changes.taken_over and current is not None:
            write_atomically(self.path, current, self.wanted)
        if plan.decision is Decision.OVERWRITE:
            result["backup_file"] = self.module.backup_local(self.path)
        if changes.replaced:
            write_atomically(self.path, self.shipped, self.wanted)
        elif changes.restored:
            apply_attributes(self.path, self.wanted)
        if changes.offered:
            write_atomically(self.new_path, self.shipped, self.wanted)
        if changes.obsolete:
            os.unlink(self.new_path)
        self.remembered.put(self.path, plan.record)

    def _describe(self, current: bytes | None, changes: Changes) -> None:
        if changes.replaced:
            self._difference(self.path, current or b"", self.shipped)
        elif changes.taken_over:
            self._difference(self.path, b"", current or b"")
        elif changes.restored:
            self.diffs.append(attributes_difference(self.path, self.wanted))
        if changes.offered:
            self._difference(self.new_path, read_regular(self.new_path) or b"", self.shipped)
        if changes.obsolete:
            self._difference(self.new_path, _shown(self.new_path), b"")

    def _difference(self, path: str, before: bytes, after: bytes) -> None:
        self.diffs.append(_difference(path, before, after, self.module.params["sensitive"]))

    def _validate(self, path: str, content: bytes) -> None:
        validator = self.module.params["validator"]
        if validator is None:
            return
        try:
            if validator == "supervisord":
                self._validate_supervisord(content)
            else:
                CHECKS[validator](content)
        except ContentProblem as problem:
            self.module.fail_json(msg=f"{path} is refused: {problem}.")
        except SupervisordProblem as problem:
            self.module.fail_json(msg=f"Nothing was changed in {self.path}. {problem}")

    def _validate_supervisord(self, content: bytes) -> None:
        supervisord = discover(self.module.params["supervisord_configuration"])
        with tempfile.NamedTemporaryFile(dir=self.module.tmpdir) as candidate:
            candidate.write(content)
            candidate.flush()
            supervisord.check(self.module.run_command, self.path, candidate.name)


class UnwantedFile:
    """One run for one file that is to go."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.path: str = module.params["path"]
        self.force: bool = module.params["force"]
        self.remembered = PlacedFiles(module.params["state_file"])

    def run(self) -> dict[str, object]:
        current = read_regular(self.path)
        record = self.remembered.find(self.path)
        decision = decide_removal(current, record, self.force)
        goes = decision in (Removal.REMOVE, Removal.SAVE)
        beside = self._beside(record is not None) if decision is not Removal.LEAVE else []
        result: dict[str, object] = {
            "changed": goes or bool(beside),
            "decision": decision.value,
            "kept": decision is Removal.LEAVE,
            "diff": [
                _difference(path, _shown(path), b"", self.module.params["sensitive"])
                for path in [self.path] * goes + beside
            ],
        }
        if decision is Removal.LEAVE:
            result["message"] = f"{self.path} was not placed by this collection and stays."
        if decision is Removal.SAVE:
            result["message"] = f"{self.path} was edited on this host. It is removed, and a copy stays beside it."
        if not self.module.check_mode:
            if decision is Removal.SAVE:
                result["backup_file"] = self.module.backup_local(self.path)
                result["message"] = f"{self.path} was edited on this host. It is now {result['backup_file']}."
            for path in [self.path] * goes + beside:
                os.unlink(path)
            self.remembered.forget(self.path)
        return result

    def _beside(self, known: bool) -> list[str]:
        """The changed default, if it may be one, and the backups when they are to go as well."""
        new = self.path + ".new"
        return [new] * (known and os.path.lexists(new)) + (
            glob.glob(glob.escape(self.path) + ".*~") if self.force else []
        )


def _shown(path: str) -> bytes:
    """What a diff shows of something that goes, which may be anything."""
    return f"-> {os.readlink(path)}\n".encode() if os.path.islink(path) else read_regular(path) or b""


def _difference(path: str, before: bytes, after: bytes, sensitive: bool) -> dict[str, str]:
    if sensitive:
        shown = ["(not shown)\n" if before else "", "(not shown, and different)\n" if after else ""]
    else:
        shown = [mask(text.decode(errors="replace")) for text in (before, after)]
    return {"before_header": path, "after_header": path, "before": shown[0], "after": shown[1]}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            # Keeps the text out of the log of the host; see below for the output.
            "content": {"type": "str", "no_log": True},
            "baseline": {"type": "str", "no_log": True},
            "pristine": {"type": "list", "elements": "str", "default": []},
            "predecessor": {"type": "path"},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "mode": {"type": "str"},
            "force": {"type": "bool", "default": False},
            "sensitive": {"type": "bool", "default": False},
            "validator": {"type": "str", "choices": ["supervisord", "mcp_servers", "json"]},
            "supervisord_configuration": {"type": "path"},
            "state_file": {"type": "path", "default": "/var/lib/aichat-backend/placed.json"},
        },
        required_if=[("state", "present", ("content",))],
        supports_check_mode=True,
    )
    content = module.params["content"]
    if not module.params["sensitive"]:
        # The masked diff is shown on purpose; as a whole the text must not count as a secret, or the diff would be empty.
        module.no_log_values.difference_update({content, module.params["baseline"]})
    module.params["content"] = "(not shown)"
    try:
        if module.params["state"] == "absent":
            result = UnwantedFile(module).run()
        else:
            result = ConfigFile(module, content.encode()).run()
    except (FileProblem, OSError) as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
