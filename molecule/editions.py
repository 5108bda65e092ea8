"""Editions of the collection: copies of the project in which the service has another version, or a fault."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from controller import PROJECT

OLDER, BROKEN = "0.0.9", "0.2.0"
"""Versions before and after the project's."""

_PARTS = ("galaxy.yml", "meta", "playbooks", "plugins", "roles", "service/src")
_SERVICE_FILES = ("README.md", "pyproject.toml", "requirements.txt")
_BY_PRODUCTS = shutil.ignore_patterns("__pycache__", ".*_cache")
_VERSION = "service/src/aichat_backend/__init__.py"


@dataclass(frozen=True)
class Edit:
    """One place in a file of the project that is another one in the edition."""

    file: str
    before: str
    after: str


def edition(folder: Path, version: str, *edits: Edit) -> Path:
    """Lay a copy of the project's collection there, and return the path for Ansible to look for collections in."""
    collection = folder / "ansible_collections/percona/pmm_ai_chat"
    for part in _PARTS:
        source, target = PROJECT / part, collection / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=_BY_PRODUCTS)
        else:
            shutil.copy(source, target)
    for name in _SERVICE_FILES:
        shutil.copy(PROJECT / "service" / name, collection / "service" / name)
    (collection / _VERSION).write_text(f'"""The AI chat backend of PMM."""\n\n__version__ = "{version}"\n')
    for edit in edits:
        file = collection / edit.file
        text = file.read_text()
        assert text.count(edit.before) == 1, f"{edit.before!r} is not once in {edit.file}"
        file.write_text(text.replace(edit.before, edit.after))
    return folder
