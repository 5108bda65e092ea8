"""The commands of docs/operations.md, to be typed as they are written there."""

import re

from controller import PROJECT

_MANUAL = PROJECT / "docs/operations.md"


def commands(heading: str) -> str:
    """Return the first block of commands under a heading, as a script that ends at the first one that fails."""
    section = re.search(rf"^#+ {re.escape(heading)}$(.*?)(?=^#+ |\Z)", _MANUAL.read_text(), re.MULTILINE | re.DOTALL)
    assert section, f"{_MANUAL.name} has no section {heading!r}"
    block = re.search(r"^```\n(.*?)^```$", section[1], re.MULTILINE | re.DOTALL)
    assert block, f"the section {heading!r} of {_MANUAL.name} has no commands"
    return f"set -e\n{block[1]}"
