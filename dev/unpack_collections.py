"""Unpack from PyPI's `ansible` wheel only the collections this project uses: unpack_collections.py WHEEL FOLDER."""

import sys
from pathlib import Path
from zipfile import ZipFile

WANTED = (
    "containers.podman",  # starts the throwaway servers and connects to them
    "community.library_inventory_filtering_v1",  # what ansible-lint's start-up would otherwise look for on Galaxy
)


def unpack(wheel: Path, into: Path) -> None:
    """Unpack each wanted collection below `into`; a wheel that lacks one is an error."""
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        for collection in WANTED:
            prefix = f"ansible_collections/{collection.replace('.', '/')}/"
            members = [name for name in names if name.startswith(prefix)]
            if not members:
                raise SystemExit(f"error: {wheel.name} holds no collection {collection}")
            archive.extractall(into, members)


if __name__ == "__main__":
    unpack(Path(sys.argv[1]), Path(sys.argv[2]))
