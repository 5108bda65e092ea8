#!/usr/bin/python

# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: supervisord_environment
short_description: Set and remove keys of one supervisord program's environment, in place
version_added: 0.1.0
description:
  - Changes only the keys that are named; everything else in the file stays as it is, byte for byte, comments included.
  - Values are quoted so that supervisord reads back exactly what was given.
    What supervisord cannot express (line breaks, both kinds of quotes in one value, a blank followed by C(;) or C(#)) is refused.
  - Before the file is replaced, the whole supervisord configuration is parsed with the new file in it.
extends_documentation_fragment:
  - percona.pmm_ai_chat.attributes
options:
  path:
    description: The ini file with the program's section. A symbolic link is refused.
    type: path
    required: true
  program:
    description: Name of the program, as in C([program:NAME]).
    type: str
    required: true
  environment:
    description:
      - Variables and their values. An empty value removes the variable.
      - Values of variables whose names have a part such as C(KEY), C(TOKEN), C(SECRET), C(PASSWORD), C(AUTH) or C(DATABASE_URL)
        never appear in the output.
    type: dict
    default: {}
  validate_configuration:
    description: Parse the whole supervisord configuration with the new file before it goes live.
    type: bool
    default: true
  supervisord_configuration:
    description: Main configuration of supervisord. Without it that of the running supervisord is taken, else the usual places.
    type: path
author:
  - percona.pmm_ai_chat contributors (@percona)
"""

EXAMPLES = r"""
- name: Choose another model, keep everything else
  percona.pmm_ai_chat.supervisord_environment:
    path: /etc/supervisord.d/ai-chat.ini
    program: aichat-backend
    environment:
      AICHAT_LLM_MODEL: gpt-4o
      AICHAT_LLM_TEMPERATURE: ""
"""

RETURN = r"""
keys_set:
  description: Variables that got another value.
  returned: success
  type: list
  elements: str
  sample: [AICHAT_LLM_MODEL]
keys_removed:
  description: Variables that were removed.
  returned: success
  type: list
  elements: str
  sample: [AICHAT_LLM_TEMPERATURE]
environment:
  description: The program's environment afterwards; values of variables named like secrets are hidden, and credentials in addresses.
  returned: success
  type: dict
  sample: {AICHAT_PORT: "3001"}
"""

import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._atomic_file import (
    Attributes,
    FileProblem,
    read_regular,
    write_atomically,
)
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._environment_edit import (
    edit_environment,
    read_environment,
    split_assignments,
)
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._ini_text import IniError
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._masking import HIDDEN, is_secret_name, mask
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._supervisord import SupervisordProblem, discover


def change(module: AnsibleModule, given: dict[str, object]) -> dict[str, object]:
    """Edit the file when its text would change, and tell what changed."""
    path: str = module.params["path"]
    program: str = module.params["program"]
    content = read_regular(path)
    if content is None:
        raise FileProblem(f"{path} does not exist: place it first.")
    text = content.decode()
    assign, remove = split_assignments(given)
    before = read_environment(text, program)
    edited = edit_environment(text, program, assign, remove)
    after = read_environment(edited, program)
    if edited != text and module.params["validate_configuration"]:
        _validate(module, path, edited.encode())
    if edited != text and not module.check_mode:
        write_atomically(path, edited.encode(), Attributes())
    return {
        "changed": edited != text,
        "keys_set": sorted(key for key in after if after[key] != before.get(key)),
        "keys_removed": sorted(before.keys() - after.keys()),
        "environment": {key: HIDDEN if is_secret_name(key) and value else mask(value) for key, value in after.items()},
        "diff": {"before_header": path, "after_header": path, "before": mask(text), "after": mask(edited)},
    }


def _validate(module: AnsibleModule, path: str, content: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=module.tmpdir) as candidate:
        candidate.write(content)
        candidate.flush()
        discover(module.params["supervisord_configuration"]).check(module.run_command, path, candidate.name)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "program": {"type": "str", "required": True},
            # Keeps values out of the log of the host; what may be shown is decided below, name by name.
            "environment": {"type": "dict", "default": {}, "no_log": True},
            "validate_configuration": {"type": "bool", "default": True},
            "supervisord_configuration": {"type": "path"},
        },
        supports_check_mode=True,
    )
    given = dict(module.params["environment"])
    module.no_log_values.clear()
    module.no_log_values.update(str(value) for key, value in given.items() if is_secret_name(key) and value)
    module.params["environment"] = dict.fromkeys(given, HIDDEN)
    try:
        result = change(module, given)
    except (FileProblem, IniError, OSError) as problem:
        module.fail_json(msg="{}: {}".format(module.params["path"], problem))
    except UnicodeDecodeError:
        module.fail_json(msg="{} is not UTF-8 text.".format(module.params["path"]))
    except SupervisordProblem as problem:
        module.fail_json(msg="Nothing was changed in {}. {}".format(module.params["path"], problem))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
