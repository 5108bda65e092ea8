# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hide secret values before a text is shown in a diff or a message."""

from __future__ import annotations

import re

HIDDEN = "********"
_NAME = r"[A-Za-z0-9_]*(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|DATABASE_URL)"
_IS_SECRET = re.compile(_NAME + r"\Z", re.IGNORECASE)
_ASSIGNMENT = re.compile(rf"""(?P<name>\b{_NAME}["']?\s*[=:]\s*)(?P<value>"[^"]*"|'[^']*'|[^\s,;"']+)""", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)[^/\s@\"']+@", re.IGNORECASE)


def is_secret_name(name: str) -> bool:
    """Whether a variable of this name holds a secret; NAME_FILE holds only a path."""
    return bool(_IS_SECRET.match(name))


def mask(text: str) -> str:
    """Replace the values of secret names and the credentials in addresses."""
    return _CREDENTIALS.sub(_hide_credentials, _ASSIGNMENT.sub(_hide_value, text))


def _hide_value(found: re.Match[str]) -> str:
    value = found.group("value")
    quote = value[0] if value[0] in "'\"" else ""
    if value.strip("'\"") == "":
        return found.group(0)
    return found.group("name") + quote + HIDDEN + quote


def _hide_credentials(found: re.Match[str]) -> str:
    return found.group("scheme") + HIDDEN + "@"
