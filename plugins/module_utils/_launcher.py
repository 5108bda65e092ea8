# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The small program at /usr/sbin/aichat-backend that starts the current release."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
from collections.abc import Callable

from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._atomic_file import (
    Attributes,
    FileProblem,
    attributes_differ,
    read_regular,
    write_atomically,
)
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._releases import ReleaseStore

SIGNATURE = "# aichat-backend launcher of percona.pmm_ai_chat"
MODE = 0o755
_ATTRIBUTES = Attributes(uid=0, gid=0, mode=MODE)

RunCommand = Callable[..., "tuple[int, str, str]"]

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


def refuse_packaged(path: str, run: RunCommand) -> None:
    """A program of a package is never written over: the package's next update would take it back."""
    rpm = shutil.which("rpm")
    if rpm is None or not os.path.lexists(path):
        return
    code, output, _errors = run([rpm, "--query", "--queryformat", "%{NAME}\\n", "--file", path])
    if code == 0:
        package = output.split("\n")[0]
        raise FileProblem(
            f"{path} belongs to the package {package}, and no other launcher is put in its place. Deploy with the "
            f"package (ai_chat_install_method: rpm), or remove it (dnf remove {package}), or choose another launcher "
            "such as /usr/local/bin/aichat-backend (ai_chat_launcher_path)."
        )


class Launcher:
    """The launcher's file as it is and as it should be."""

    def __init__(self, path: str, store: ReleaseStore) -> None:
        self.path = path
        folder = os.path.dirname(path)
        if not os.path.isdir(folder):
            raise FileProblem(f"The launcher's folder {folder} does not exist: make it, or choose another launcher.")
        # A link here, say to a hand-made build, is replaced like any other program: renaming never follows it.
        self.is_link = os.path.islink(path)
        self.found = None if self.is_link else read_regular(path)
        self.wanted = render(store.current_link)

    @property
    def differs(self) -> bool:
        """Whether the file, its owner or its mode is not what it should be."""
        if self.is_link or self.found != self.wanted:
            return True
        return os.geteuid() == 0 and attributes_differ(self.path, _ATTRIBUTES)

    @property
    def is_foreign(self) -> bool:
        """Whether another program is in its place, one that somebody put there by hand."""
        return self.found is not None and not is_ours(self.found)

    def place(self) -> None:
        """Put the launcher there."""
        owner = _ATTRIBUTES if os.geteuid() == 0 else Attributes(mode=MODE)
        write_atomically(self.path, self.wanted, owner)

    def description(self) -> str:
        """What is there, for a diff."""
        if self.is_link:
            return f"(a link to {os.readlink(self.path)})\n"
        return describe(self.found, hashlib.sha256(self.found or b"").hexdigest())
