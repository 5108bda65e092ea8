# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: supervisord_environment_of
short_description: Read a program's environment from an ini text
version_added: 0.1.0
description:
  - Returns the variables in C(environment=) of one program as supervisord would read them.
options:
  _input:
    description: The ini text.
    type: str
    required: true
  program:
    description: Name of the program, as in C([program:NAME]).
    type: str
    required: true
author:
  - percona.pmm_ai_chat contributors (@percona)
positional: program
"""

EXAMPLES = r"""
- name: Show the port
  ansible.builtin.debug:
    msg: >-
      {{ (lookup('ansible.builtin.file', 'ai-chat.ini')
          | percona.pmm_ai_chat.supervisord_environment_of('aichat-backend')).AICHAT_PORT }}
"""

RETURN = r"""
_value:
  description: Names and values.
  type: dict
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._environment_edit import read_environment
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._ini_text import IniError


def supervisord_environment_of(text: str, program: str) -> dict[str, str]:
    """Read the pairs; the error of what cannot be read never shows a value."""
    try:
        return read_environment(str(text), str(program))
    except IniError as problem:
        raise AnsibleFilterError(str(problem)) from None


class FilterModule:
    """The filter, under its name in the collection."""

    def filters(self) -> dict[str, Callable[..., dict[str, str]]]:
        return {"supervisord_environment_of": supervisord_environment_of}
