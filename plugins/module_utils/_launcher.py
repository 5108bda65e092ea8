# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The small program at /usr/sbin/aichat-backend that starts the current release."""

from __future__ import annotations

import shlex

SIGNATURE = "# aichat-backend launcher of percona.pmm_ai_chat"
MODE = 0o755

# The link is resolved once: a process that imports late must not get modules of a release that came after it.
_TEMPLATE = """#!/bin/sh
%(signature)s
current=%(current)s
release=$(readlink -f "$current") || release=
if [ ! -x "$release/bin/python" ]; then
    echo "aichat-backend: there is no release at $current, deploy it first" >&2
    exit 127
fi
exec "$release/bin/python" -I -m aichat_backend "$@"
"""


def render(current: str) -> bytes:
    """The launcher for this link to the current release."""
    return (_TEMPLATE % {"signature": SIGNATURE, "current": shlex.quote(current)}).encode()


def is_ours(content: bytes) -> bool:
    """Whether a file is a launcher of this collection and not something put there by hand."""
    return SIGNATURE.encode() in content.splitlines()[1:2]


def describe(content: bytes | None, digest: str) -> str:
    """The launcher for a diff; a foreign program is named by size and digest, not printed."""
    if content is None:
        return ""
    if is_ours(content):
        return content.decode(errors="replace")
    return "(another program: %d bytes, SHA-256 %s)\n" % (len(content), digest)
