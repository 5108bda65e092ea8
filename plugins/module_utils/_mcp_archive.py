# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The archives that Node, uv and Python come in: looked through before anything is done with one, then unpacked."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import lzma
import os
import posixpath
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._mcp_parts import Part

# How an ELF file names the processor it is for, at its 19th byte.
_PROCESSORS = {62: "x86_64", 183: "aarch64"}
_BROKEN = (tarfile.TarError, EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error)


class ArchiveProblem(Exception):
    """The archive cannot be used; the message names it and the remedy."""


@dataclass(frozen=True)
class Contents:
    """What an archive holds."""

    machine: str
    """For which processor, as `uname -m` says it."""
    size: int
    """Bytes, unpacked."""


def digest_of(path: str) -> str:
    """SHA-256 of the archive."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def examine(path: str, part: Part) -> Contents:
    """Read the archive to its end and find out what it is.

    Raises:
        ArchiveProblem: it is damaged, or not one of this part.
    """
    found: set[str] = set()
    head = b""
    size = 0
    with _opened(path, part) as archive:
        for inside, member in _members(path, archive):
            found.add(inside)
            size += member.size
            if inside == part.main and (content := archive.extractfile(member)) is not None:
                head = content.read(20)
    if missing := {*part.programs.values(), *part.needed} - found:
        raise ArchiveProblem(f"{_not_the_right_one(path, part)}: it has no {min(missing)}.")
    return Contents(_processor(head, path, part), size)


def unpack(path: str, folder: str, part: Part) -> None:
    """Lay the content into an existing folder, without the archive's own one, as files of whoever does it."""
    with _opened(path, part) as archive:
        for inside, member in _members(path, archive):
            if inside == ".":
                continue
            if member.islnk():
                member.linkname = _inside(member.linkname)
            member.name = inside
            member.uid, member.gid, member.uname, member.gname = os.geteuid(), os.getegid(), "", ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            _extract(archive, member, folder)


@contextlib.contextmanager
def _opened(path: str, part: Part) -> Iterator[tarfile.TarFile]:
    """The archive, to be read from the beginning to the end; what is wrong with it is told in one way."""
    try:
        archive = tarfile.open(path, mode="r:*")  # noqa: SIM115 - what fails here is told apart from what fails later
    except (FileNotFoundError, IsADirectoryError):
        raise ArchiveProblem(f"There is no archive {path}.") from None
    except _BROKEN:
        raise ArchiveProblem(_not_the_right_one(path, part) + ".") from None
    with archive:
        try:
            yield archive
        except _BROKEN:
            raise ArchiveProblem(f"{path} is damaged or ends too early: fetch it again.") from None


def _members(path: str, archive: tarfile.TarFile) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """Every entry with its place below the archive's one folder; refuses what would reach out of that."""
    top = None
    for member in archive:
        name = posixpath.normpath(member.name)
        top = top or name.partition("/")[0]
        known = member.isreg() or member.isdir() or member.issym() or member.islnk()
        if not known or not all(_lies_in(top, place) for place in (name, _leads_to(name, member))):
            raise ArchiveProblem(
                f"{path} holds {member.name}, which reaches out of the archive's folder: it is not used."
            )
        yield _inside(name), member
    _read_to_the_end(archive)


def _read_to_the_end(archive: tarfile.TarFile) -> None:
    """Any end is the end to tarfile; and what a compressed file says of itself stands in its last bytes."""
    stream = archive.fileobj
    if stream is None:
        raise tarfile.ReadError("closed")
    stream.seek(archive.offset)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("no end")
    while stream.read(1 << 20):
        continue


def _leads_to(name: str, member: tarfile.TarInfo) -> str:
    if member.issym():
        return posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
    return posixpath.normpath(member.linkname) if member.islnk() else name


def _lies_in(top: str, place: str) -> bool:
    return top not in ("", ".", "..") and place.partition("/")[0] == top


def _inside(name: str) -> str:
    return posixpath.normpath(posixpath.normpath(name).partition("/")[2] or ".")


def _processor(head: bytes, path: str, part: Part) -> str:
    if head[:4] != b"\x7fELF":
        raise ArchiveProblem(f"{_not_the_right_one(path, part)}: its {part.main} is no program for Linux.")
    number = int.from_bytes(head[18:20], "little")
    return _PROCESSORS.get(number, f"processor {number}")


def _not_the_right_one(path: str, part: Part) -> str:
    return f"{path} is no archive of {part.title} such as {part.archive}"


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: str) -> None:
    if hasattr(tarfile, "fully_trusted_filter"):
        # It has been looked through, more strictly than tarfile would.
        archive.extract(member, folder, numeric_owner=True, filter="fully_trusted")
    else:
        archive.extract(member, folder, numeric_owner=True)
