# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What belongs to a release of the service: the file set, its digest, and one deterministic archive of it."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import tarfile
from typing import IO

TOP_FILES = ("README.md", "pyproject.toml", "requirements.txt")
SOURCE_FOLDER = "src"
_VERSION_FILE = os.path.join(SOURCE_FOLDER, "aichat_backend", "__init__.py")
_VERSION = re.compile(r"""^__version__\s*=\s*["']([0-9A-Za-z.+!-]+)["']\s*$""", re.MULTILINE)


class SourceProblem(Exception):
    """The service's source cannot be used; the message says what is wrong with it."""


def files_of(source: str) -> list[str]:
    """Relative paths, sorted: the packaging files and everything under src that is no by-product."""
    found = []
    for name in TOP_FILES:
        if not os.path.isfile(os.path.join(source, name)):
            raise SourceProblem(f"{source} has no {name}: it is not the source of the service.")
        found.append(name)
    for folder, folders, names in os.walk(os.path.join(source, SOURCE_FOLDER)):
        folders[:] = sorted(name for name in folders if not _is_by_product(name))
        for name in names:
            if _is_by_product(name):
                continue
            path = os.path.join(folder, name)
            if os.path.islink(path):
                raise SourceProblem(f"{path} is a symbolic link; the service's source holds only files.")
            found.append(os.path.relpath(path, source))
    return sorted(found)


def _is_by_product(name: str) -> bool:
    return name.startswith(".") or name == "__pycache__" or name.endswith((".pyc", ".pyo", ".egg-info"))


def digest_of(source: str) -> str:
    """SHA-256 over names and contents; neither times nor modes matter."""
    whole = hashlib.sha256()
    for name in files_of(source):
        with open(os.path.join(source, name), "rb") as stream:
            content = hashlib.sha256(stream.read()).hexdigest()
        whole.update((f"{name}\0{content}\n").encode())
    return whole.hexdigest()


def version_of(source: str) -> str:
    """The service's version, read without importing it."""
    path = os.path.join(source, _VERSION_FILE)
    try:
        with open(path, encoding="utf-8") as stream:
            found = _VERSION.search(stream.read())
    except FileNotFoundError:
        found = None
    if found is None:
        raise SourceProblem(f"{path} does not set __version__.")
    return found.group(1)


def write_archive(source: str, stream: IO[bytes]) -> None:
    """A compressed tar that depends on nothing but names and contents."""
    packed = gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0)
    with packed, tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in files_of(source):
            with open(os.path.join(source, name), "rb") as content:
                entry = tarfile.TarInfo(name)
                entry.size = os.fstat(content.fileno()).st_size
                entry.mode = 0o644
                archive.addfile(entry, content)


def unpack_archive(archive: str, target: str) -> None:
    """Write the archive's files below an existing folder; takes nothing but plain relative files."""
    with tarfile.open(archive, mode="r:gz") as packed:
        for entry in packed:
            parts = entry.name.split("/")
            if not entry.isfile() or entry.name.startswith("/") or ".." in parts:
                raise SourceProblem(f"The archive holds {entry.name}, which is not a plain file of the service.")
            path = os.path.join(target, *parts)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            content = packed.extractfile(entry)
            if content is None:
                raise SourceProblem(f"The archive's {entry.name} cannot be read.")
            with open(path, "wb") as stream:
                stream.write(content.read())
