# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tool servers are started with: Node, uv and a Python, each as its makers pack it."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """One of them; paths are those in its archive, below the archive's one folder."""

    name: str
    title: str
    archive: str
    """What its makers call the archive."""
    programs: dict[str, str]
    """What is to be found on PATH, and where it lies; the first one tells the version."""
    needed: tuple[str, ...]
    """What else shows that the archive is the right one."""
    version: re.Pattern[str]
    oldest: tuple[int, ...]

    @property
    def main(self) -> str:
        """The program that tells the version."""
        return next(iter(self.programs.values()))


NODE = Part(
    name="node",
    title="Node.js",
    archive="node-v22.11.0-linux-x64.tar.xz",
    programs={"node": "bin/node", "npm": "bin/npm", "npx": "bin/npx"},
    needed=("lib/node_modules/npm/bin/npx-cli.js",),
    version=re.compile(r"^v([0-9.]+)"),
    # What the SDK for tool servers asks for.
    oldest=(18,),
)
UV = Part(
    name="uv",
    title="uv",
    archive="uv-x86_64-unknown-linux-gnu.tar.gz",
    programs={"uv": "uv", "uvx": "uvx"},
    needed=(),
    version=re.compile(r"^uv ([0-9.]+)"),
    oldest=(0, 4),
)
PYTHON = Part(
    name="python",
    title="Python 3.13",
    archive="cpython-3.13.*-x86_64-unknown-linux-gnu-install_only.tar.gz",
    programs={"python3.13": "bin/python3.13"},
    needed=(),
    version=re.compile(r"^Python (3\.13\.[0-9]+)"),
    oldest=(3, 13),
)
PARTS = {part.name: part for part in (NODE, UV, PYTHON)}
