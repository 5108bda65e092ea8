"""The advisory locks of a PostgreSQL database that are ours: their numbers in one place, so that no two are one."""

from __future__ import annotations

from enum import IntEnum, unique


@unique
class AdvisoryLock(IntEnum):
    """What is locked. The upper half of a number spells `aich`, so that other programs hardly have the same ones."""

    UPGRADE = 0x61696368_61740001
    """Whoever changes the schema holds it."""
    USE = 0x61696368_61740002
    """All services share it as long as they are connected, so that who must be alone knows of them."""
    RETENTION = 0x61696368_61740003
    """Whoever deletes old sessions holds it."""
