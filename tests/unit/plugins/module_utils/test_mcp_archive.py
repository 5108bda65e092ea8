# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archives of Node, uv and Python: recognised, refused, unpacked."""

from __future__ import annotations

import os
import platform
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._mcp_archive import (
    ArchiveProblem,
    Contents,
    digest_of,
    examine,
    unpack,
)
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._mcp_parts import NODE, PYTHON, UV


@pytest.mark.parametrize("name", ["node.tar.gz", "node.tar.xz", "node.tar.bz2", "node.tar"])
def test_an_archive_of_node(archives: Any, name: str) -> None:
    program = archives.elf("aarch64") + b"program"
    assert examine(str(archives.pack(archives.node(program), name)), NODE) == Contents("aarch64", len(program) + 11)


def test_an_archive_of_uv_as_tar_likes_to_write_it(archives: Any) -> None:
    entries = [archives.entry(f"./uv-linux/{name}", archives.elf()) for name in ("uv", "uvx")]
    assert examine(str(archives.pack(entries)), UV).machine == platform.machine()


def test_an_archive_of_python(archives: Any) -> None:
    entries = [
        archives.entry("python/bin/python3", type=tarfile.SYMTYPE, linkname="python3.13"),
        archives.entry("python/bin/python3.13", archives.elf()),
    ]
    assert examine(str(archives.pack(entries)), PYTHON).machine == platform.machine()


def test_the_archive_of_another_part_is_told(archives: Any) -> None:
    path = str(archives.pack(archives.node(archives.elf())))
    with pytest.raises(ArchiveProblem, match=r"node\.tar\.gz is no archive of uv such as uv-.*: it has no uv\."):
        examine(path, UV)


def test_a_program_of_another_system_is_told(archives: Any) -> None:
    path = str(archives.pack(archives.node(b"\xcf\xfa\xed\xfe" + bytes(60))))
    with pytest.raises(ArchiveProblem, match=r"its bin/node is no program for Linux"):
        examine(path, NODE)


def test_a_processor_that_nobody_knows_is_told_by_its_number(archives: Any) -> None:
    program = archives.elf()
    path = str(archives.pack(archives.node(program[:18] + b"\xf3\x00" + program[20:])))
    assert examine(path, NODE).machine == "processor 243"


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04"])
def test_what_is_no_archive_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "node.zip"
    path.write_bytes(content)
    with pytest.raises(ArchiveProblem, match=r"node\.zip is no archive of Node\.js such as node-v22"):
        examine(str(path), NODE)


def test_a_missing_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArchiveProblem, match="There is no archive /nowhere/node"):
        examine("/nowhere/node", NODE)
    with pytest.raises(ArchiveProblem, match="There is no archive"):
        examine(str(tmp_path), NODE)


@pytest.mark.parametrize("name", ["node.tar.gz", "node.tar.xz", "node.tar"])
def test_an_archive_that_ends_anywhere_before_its_end_is_refused(archives: Any, name: str) -> None:
    whole = archives.pack(archives.node(archives.elf() + os.urandom(3000)), name)
    content = whole.read_bytes()
    # tar itself pads an archive with zeros, of which none but the first ones count.
    end = len(content.rstrip(b"\0")) if name == "node.tar" else len(content) - 1
    for length in range(100, end, max(1, end // 40)):
        whole.write_bytes(content[:length])
        with pytest.raises(ArchiveProblem, match=r"damaged or ends too early|is no archive"):
            examine(str(whole), NODE)
    whole.write_bytes(content[:end])
    with pytest.raises(ArchiveProblem, match="damaged or ends too early"):
        examine(str(whole), NODE)


def test_a_damaged_one_is_refused(archives: Any) -> None:
    path = archives.pack(archives.node(archives.elf() + os.urandom(3000)))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ArchiveProblem, match="damaged"):
        examine(str(path), NODE)


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("node-v22/../../etc/passwd", {}),
        ("/etc/passwd", {}),
        ("elsewhere/file", {}),
        ("node-v22/link", {"type": tarfile.SYMTYPE, "linkname": "/etc"}),
        ("node-v22/link", {"type": tarfile.SYMTYPE, "linkname": "../etc"}),
        ("node-v22/link", {"type": tarfile.LNKTYPE, "linkname": "/etc/shadow"}),
        ("node-v22/link", {"type": tarfile.LNKTYPE, "linkname": "etc/shadow"}),
        ("node-v22/device", {"type": tarfile.CHRTYPE}),
        ("node-v22/pipe", {"type": tarfile.FIFOTYPE}),
    ],
)
def test_what_would_reach_out_of_the_folder_is_refused(
    archives: Any, tmp_path: Path, name: str, attributes: dict[str, Any]
) -> None:
    path = str(archives.pack([*archives.node(archives.elf()), archives.entry(name, **attributes)]))
    said = re.escape(f"{path} holds {name}, which reaches out")
    with pytest.raises(ArchiveProblem, match=said):
        examine(path, NODE)
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(ArchiveProblem, match=said):
        unpack(path, str(inside), NODE)
    assert sorted(child.name for child in inside.iterdir()) == ["README.md", "bin", "lib"]


def test_unpacking_leaves_the_folder_of_the_archive_and_its_owners_out(archives: Any, tmp_path: Path) -> None:
    into = tmp_path / "into"
    into.mkdir()
    unpack(str(archives.pack(archives.node(b"program"))), str(into), NODE)
    found = {}
    for path in sorted(into.rglob("*")):
        status = path.lstat()
        assert (status.st_uid, status.st_gid) == (os.geteuid(), os.getegid())
        found[str(path.relative_to(into))] = os.readlink(path) if path.is_symlink() else oct(status.st_mode & 0o7777)
    assert found == {
        "README.md": "0o644",
        "bin": "0o755",
        "bin/node": "0o755",
        "bin/npm": "../lib/node_modules/npm/bin/npm-cli.js",
        "bin/npx": "../lib/node_modules/npm/bin/npx-cli.js",
        "lib": "0o755",
        "lib/node_modules": "0o755",
        "lib/node_modules/npm": "0o755",
        "lib/node_modules/npm/bin": "0o755",
        "lib/node_modules/npm/bin/npm-cli.js": "0o755",
        "lib/node_modules/npm/bin/npx-cli.js": "0o755",
    }
    assert (into / "bin/npx").read_text() == "npm"


def test_digest(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(b"abc")
    assert digest_of(str(tmp_path / "archive")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
