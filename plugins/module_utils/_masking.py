# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hide secret values before a text is shown in a diff or a message."""

from __future__ import annotations

import re

HIDDEN = "********"
_WORDS = "KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|PASS|PWD|AUTH|AUTHORIZATION|CREDENTIALS?|COOKIE|DSN|DATABASE_URL"
# A part of the name ends in one of the words; NAME_FILE holds only a path.
_NAME = rf"[A-Z0-9_-]*(?:{_WORDS})(?:[_-][A-Z0-9_-]*)?(?<![_-]FILE)(?<![_-]PATH)"
_IS_SECRET = re.compile(_NAME + r"\Z", re.IGNORECASE)
_QUOTED = r""""(?:\\.|[^"\\\n])*"|'[^'\n]*'"""
# A quote that is never closed counts to the end of its line.
_VALUE = rf"""{_QUOTED}|["'][^\n]*|(?:(?:Bearer|Basic)\s+)?[^\s,;"']+"""
_ASSIGNMENT = re.compile(rf"""(?P<name>(?<![\w-]){_NAME}(?![\w-])["']?\s*[=:]\s*)(?P<value>{_VALUE})""", re.IGNORECASE)
# nginx's way to say what it sends; what is not quoted there is a variable.
_SENT_BY_NGINX = re.compile(rf"""(?P<name>\bproxy_set_header\s+{_NAME}\s+)(?P<value>{_QUOTED})""", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)[^/\s@\"']+@", re.IGNORECASE)
# What a list of MCP servers gives to them, whatever it is called.
_GIVEN = re.compile(rf"""(?P<name>"(?:env|headers)"\s*:\s*)(?P<object>\{{(?:[^"{{}}]|{_QUOTED})*\}})""")
# An option in a list of arguments, and the argument after it, unless that is an option itself.
_OPTION = re.compile(
    rf"""(?P<name>["']-(?:{_NAME}|-header)["']\s*,\s*)(?P<value>(?!["']--)(?:{_QUOTED}))""", re.IGNORECASE
)
_PAIR = re.compile(r"""(?P<name>"(?:\\.|[^"\\\n])*"\s*:\s*)(?P<value>"(?:\\.|[^"\\\n])*")""")


def is_secret_name(name: str) -> bool:
    """Whether a variable of this name holds a secret."""
    return bool(_IS_SECRET.match(name))


def mask(text: str) -> str:
    """Replace values of secret names, what MCP servers are given, what nginx sends, and credentials in addresses."""
    shown = _GIVEN.sub(lambda found: found["name"] + _PAIR.sub(_hide_value, found["object"]), text)
    for secret in (_OPTION, _SENT_BY_NGINX, _ASSIGNMENT):
        shown = secret.sub(_hide_value, shown)
    return _CREDENTIALS.sub(_hide_credentials, shown)


def _hide_value(found: re.Match[str]) -> str:
    value = found.group("value")
    quote = value[0] if value[0] in "'\"" else ""
    if value.strip("'\"") == "":
        return found.group(0)
    return found.group("name") + quote + HIDDEN + quote


def _hide_credentials(found: re.Match[str]) -> str:
    return found.group("scheme") + HIDDEN + "@"
