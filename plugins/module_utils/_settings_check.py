# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Let a release judge the settings it is going to run with, before it runs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping

from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._masking import mask
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._run_as import Identity, run_as
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._supervisord import SupervisordProblem, discover

_PATIENCE = 120


class SettingsProblem(Exception):
    """The release refuses its settings; the message is its own."""


def check_settings(release: str, ini: str, extra: Mapping[str, str], identity: Identity | None) -> list[str]:
    """Ask the release in this folder about the environment in the ini, and return what it warns of.

    Args:
        release: the release's folder.
        ini: text of the supervisord configuration of the program.
        extra: variables that it gets on top, where the ini does not set them.
        identity: the service's user.

    Raises:
        SettingsProblem: the release would not start with it.
        IniError: the text cannot be read.
    """
    with _file_for(identity, ini) as file:
        command = [os.path.join(release, "bin", "python"), "-I", "-B", "-m", "aichat_backend", "config"]
        command += ["--ini", file]
        try:
            found = run_as(identity, command, _PATIENCE, {**_environment(), **extra})
        except subprocess.TimeoutExpired:
            raise SettingsProblem(f"The release did not judge its settings within {_PATIENCE} s.") from None
    said = [mask(line).replace(file, "the ini") for line in found.stderr.strip().splitlines()]
    if found.returncode != 0:
        told = "\n".join(said[-15:]) or "exit status %d" % found.returncode
        raise SettingsProblem(f"The service would not start with these settings, so nothing was switched:\n{told}")
    return said


def _environment() -> dict[str, str]:
    """What the service gets from supervisord besides its own; without a supervisord, what we have."""
    try:
        inherited = discover(None).environment
    except SupervisordProblem:
        inherited = {}
    return inherited or dict(os.environ)


@contextlib.contextmanager
def _file_for(identity: Identity | None, content: str) -> Iterator[str]:
    """A file that only the service's user can read, for a moment."""
    descriptor, path = tempfile.mkstemp(prefix="ai-chat.", suffix=".ini")
    try:
        with open(descriptor, "w", encoding="utf-8") as stream:
            stream.write(content)
            if identity is not None and os.geteuid() == 0:
                os.fchown(stream.fileno(), identity.uid, identity.gid)
        yield path
    finally:
        os.unlink(path)
