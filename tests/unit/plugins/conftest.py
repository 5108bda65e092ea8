# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archives like those of Node and uv; their programs are small scripts, or nothing but the head of an ELF file."""

from __future__ import annotations

import io
import platform
import tarfile
from pathlib import Path

import pytest

MACHINES = {"x86_64": 62, "aarch64": 183}
Entry = tuple[tarfile.TarInfo, bytes]


class Archives:
    """Makes them, in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def elf(self, machine: str = platform.machine()) -> bytes:
        """The head of a program for this kind of machine."""
        return b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00" + MACHINES[machine].to_bytes(2, "little") + bytes(44)

    def script(self, said: str) -> bytes:
        """A program that says this."""
        return f"#!/bin/sh\necho '{said}'\n".encode()

    def entry(self, name: str, content: bytes = b"", **attributes: object) -> Entry:
        """One entry; a program unless the attributes make something else of it."""
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.uid, info.uname = len(content), 0o755, 1001, "builder"
        for attribute, value in attributes.items():
            setattr(info, attribute, value)
        return info, content

    def node(self, program: bytes) -> list[Entry]:
        """What makes an archive one of Node."""
        library = "node-v22/lib/node_modules/npm/bin"
        return [
            self.entry("node-v22", type=tarfile.DIRTYPE, mode=0o777),
            self.entry("node-v22/bin/node", program),
            self.entry("node-v22/bin/npm", type=tarfile.SYMTYPE, linkname="../lib/node_modules/npm/bin/npm-cli.js"),
            self.entry("node-v22/bin/npx", type=tarfile.SYMTYPE, linkname="../lib/node_modules/npm/bin/npx-cli.js"),
            self.entry(f"{library}/npm-cli.js", b"npm", mode=0o775),
            self.entry(f"{library}/npx-cli.js", type=tarfile.LNKTYPE, linkname=f"{library}/npm-cli.js"),
            self.entry("node-v22/README.md", b"Read it.", mode=0o666),
        ]

    def pack(self, entries: list[Entry], name: str = "node.tar.gz") -> Path:
        """An archive of these entries, compressed as its name says."""
        path = self.folder / name
        kind = name.rpartition(".")[2]
        with tarfile.open(path, "w" if kind == "tar" else f"w:{kind}") as archive:  # type: ignore[call-overload]
            for info, content in entries:
                archive.addfile(info, io.BytesIO(content))
        return path


@pytest.fixture
def archives(tmp_path: Path) -> Archives:
    folder = tmp_path / "archives"
    folder.mkdir()
    return Archives(folder)
