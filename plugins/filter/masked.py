# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: masked
short_description: Hide secrets in a text before it is shown
version_added: 0.1.0
description:
  - Hides the values of variables whose names have a part such as C(KEY), C(TOKEN), C(SECRET), C(PASSWORD), C(AUTH)
    or C(DATABASE_URL), what a list of MCP servers gives to them, credentials in addresses, and the secret values
    among the given variables wherever they stand.
options:
  _input:
    description: The text.
    type: str
    required: true
  variables:
    description: Variables, of which those named like secrets have values to hide.
    type: dict
    default: {}
author:
  - percona.pmm_ai_chat contributors (@percona)
positional: variables
"""

EXAMPLES = r"""
- name: Show the end of a log
  ansible.builtin.debug:
    msg: "{{ log.stdout | percona.pmm_ai_chat.masked({'AICHAT_API_KEY': ai_chat_api_key}) }}"
"""

RETURN = r"""
_value:
  description: The text with asterisks in place of secrets.
  type: str
"""

from collections.abc import Callable, Mapping

from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._masking import HIDDEN, is_secret_name, mask


def masked(text: str, variables: Mapping[str, object] | None = None) -> str:
    """Hide what is known to be secret, then what looks so."""
    secrets = {str(value) for name, value in (variables or {}).items() if is_secret_name(name) and value}
    shown = str(text)
    # The longest first: one secret may be part of another.
    for secret in sorted(secrets, key=len, reverse=True):
        shown = shown.replace(secret, HIDDEN)
    return mask(shown)


class FilterModule:
    """The filter, under its name in the collection."""

    def filters(self) -> dict[str, Callable[..., str]]:
        return {"masked": masked}
