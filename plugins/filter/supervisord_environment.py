# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: supervisord_environment
short_description: Set and remove keys of a program's environment in an ini text
version_added: 0.1.0
description:
  - Does to a text what the module M(percona.pmm_ai_chat.supervisord_environment) does to a file.
options:
  _input:
    description: The ini text.
    type: str
    required: true
  program:
    description: Name of the program, as in C([program:NAME]).
    type: str
    required: true
  environment:
    description: Variables and their values. An empty value removes the variable.
    type: dict
    required: true
author:
  - percona.pmm_ai_chat contributors (@percona)
positional: program, environment
"""

EXAMPLES = r"""
- name: Show the ini with another port
  ansible.builtin.debug:
    msg: >-
      {{ lookup('ansible.builtin.file', 'ai-chat.ini')
         | percona.pmm_ai_chat.supervisord_environment('aichat-backend', {'AICHAT_PORT': 3002}) }}
"""

RETURN = r"""
_value:
  description: The text with these keys changed and every other byte as it was.
  type: str
"""

from collections.abc import Callable, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._environment_edit import (
    edit_environment,
    split_assignments,
)
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._ini_text import IniError


def supervisord_environment(text: str, program: str, environment: Mapping[str, object]) -> str:
    """Apply the changes; the error of what cannot be expressed never shows a value."""
    try:
        assign, remove = split_assignments(environment)
        return edit_environment(str(text), str(program), assign, remove)
    except IniError as problem:
        raise AnsibleFilterError(str(problem)) from None


class FilterModule:
    """The filter, under its name in the collection."""

    def filters(self) -> dict[str, Callable[..., str]]:
        return {"supervisord_environment": supervisord_environment}
