# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A wheelhouse: one file with the locked packages for one kind of host, and a manifest that says which kind."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from dataclasses import asdict, dataclass
from typing import IO

MANIFEST = "wheelhouse.json"
FORMAT = 1
_LOCK = "requirements.txt"
HOW_TO_MAKE = (
    "Make one on a machine with a network: make wheelhouse PYTHON={python} ARCH={arch}, or "
    "ansible-playbook percona.pmm_ai_chat.make_wheelhouse -e wheelhouse_python={python} -e wheelhouse_arch={arch}"
)


class WheelhouseProblem(Exception):
    """The wheelhouse cannot be used; the message names it and the remedy."""


@dataclass(frozen=True)
class Platform:
    """What wheels fit: a minor version of Python, an architecture, a C library at least as new as this one."""

    python: str
    arch: str
    glibc: str

    def __str__(self) -> str:
        return f"Python {self.python} on {self.arch} with glibc {self.glibc}"

    @property
    def how_to_make(self) -> str:
        return HOW_TO_MAKE.format(python=self.python, arch=self.arch)

    def carries(self, needed: Platform) -> bool:
        """Whether wheels made for the other platform run on this one."""
        same = (self.python, self.arch) == (needed.python, needed.arch)
        return same and _numbers(self.glibc) >= _numbers(needed.glibc)


@dataclass(frozen=True)
class Manifest:
    """What a wheelhouse says of itself."""

    version: str
    lock: str
    platform: Platform
    wheels: dict[str, str]

    def to_json(self) -> bytes:
        content = {"format": FORMAT, "service": "aichat-backend", "version": self.version, "lock": self.lock}
        return (json.dumps({**content, **asdict(self.platform), "wheels": self.wheels}, indent=2) + "\n").encode()


def file_name(version: str, platform: Platform) -> str:
    """The usual name of a wheelhouse."""
    return f"aichat-backend-{version}-wheelhouse-py{platform.python}-{platform.arch}.tar"


def lock_digest(source: str) -> str:
    """SHA-256 of the locked requirements of a service."""
    return _sha256(os.path.join(source, _LOCK))


def host_glibc() -> str:
    """The version of this host's C library, or 0 when it is another kind."""
    try:
        name, _blank, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (ValueError, OSError):
        return "0"
    return version if name == "glibc" else "0"


def read_manifest(path: str) -> Manifest:
    """What the wheelhouse at this path says of itself; nothing of it is unpacked."""
    try:
        with tarfile.open(path, mode="r:") as archive:
            return _parse(path, _first_member(archive))
    except FileNotFoundError:
        raise WheelhouseProblem(f"There is no wheelhouse {path}.") from None
    except (tarfile.TarError, EOFError, IsADirectoryError):
        raise WheelhouseProblem(f"{path} is no wheelhouse: it must be the file that make_wheelhouse made.") from None


def _first_member(archive: tarfile.TarFile) -> bytes:
    entry = archive.next()
    content = archive.extractfile(entry) if entry is not None and entry.name == MANIFEST else None
    return content.read(1 << 20) if content is not None else b""


def _parse(path: str, content: bytes) -> Manifest:
    try:
        said = json.loads(content)
        if said["format"] != FORMAT:
            raise WheelhouseProblem(f"{path} was made by another version of the collection: make it anew.")
        platform = Platform(said["python"], said["arch"], said["glibc"])
        return Manifest(said["version"], said["lock"], platform, dict(said["wheels"]))
    except (ValueError, KeyError, TypeError):
        raise WheelhouseProblem(f"{path} is no wheelhouse: it does not begin with a {MANIFEST}.") from None


def write(manifest: Manifest, folder: str, stream: IO[bytes]) -> None:
    """Pack the wheels of a folder behind their manifest; the same wheels give the same bytes."""
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        head = tarfile.TarInfo(MANIFEST)
        content = manifest.to_json()
        head.size = len(content)
        archive.addfile(head, io.BytesIO(content))
        for name in sorted(manifest.wheels):
            path = os.path.join(folder, name)
            entry = tarfile.TarInfo(name)
            entry.size = os.stat(path).st_size
            entry.mode = 0o644
            with open(path, "rb") as wheel:
                archive.addfile(entry, wheel)


def unpack(path: str, folder: str) -> None:
    """Lay the wheels into an existing folder, each checked against the manifest."""
    missing = dict(read_manifest(path).wheels)
    try:
        with tarfile.open(path, mode="r:") as archive:
            for entry in archive:
                if entry.name == MANIFEST:
                    continue
                named = entry.isfile() and "/" not in entry.name and entry.name in missing
                content = archive.extractfile(entry) if named else None
                if content is None:
                    raise WheelhouseProblem(f"The wheelhouse holds {entry.name}, which its manifest does not name.")
                _lay(content, os.path.join(folder, entry.name), missing.pop(entry.name))
    except (tarfile.TarError, EOFError):
        raise WheelhouseProblem("The wheelhouse is damaged: it ends too early. Make or transfer it again.") from None
    if missing:
        raise WheelhouseProblem(f"The wheelhouse is damaged: it lacks {min(missing)}. Make or transfer it again.")


def _lay(content: IO[bytes], path: str, digest: str) -> None:
    with open(path, "wb") as stream:
        while chunk := content.read(1 << 20):
            stream.write(chunk)
    if _sha256(path) != digest:
        name = os.path.basename(path)
        raise WheelhouseProblem(f"The wheelhouse is damaged: {name} is not what was packed. Make or transfer it again.")


def is_whole(path: str, wanted: Manifest) -> bool:
    """Whether the file is a wheelhouse of this lock and platform, with every wheel as its manifest says."""
    try:
        found = read_manifest(path)
        if (found.version, found.lock, found.platform) != (wanted.version, wanted.lock, wanted.platform):
            return False
        with tarfile.open(path, mode="r:") as archive:
            digests = {
                entry.name: _digest_of(content)
                for entry in archive
                if entry.name != MANIFEST and (content := archive.extractfile(entry)) is not None
            }
    except (WheelhouseProblem, tarfile.TarError, EOFError):
        return False
    return digests == found.wheels


def digests(folder: str) -> dict[str, str]:
    """The wheels of a folder with their digests."""
    return {name: _sha256(os.path.join(folder, name)) for name in sorted(os.listdir(folder)) if name.endswith(".whl")}


def _sha256(path: str) -> str:
    with open(path, "rb") as stream:
        return _digest_of(stream)


def _digest_of(stream: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
