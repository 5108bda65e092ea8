"""An audit trail that a test can look at, and take away."""

from __future__ import annotations

from dataclasses import dataclass, field

from aichat_backend.chat.audit import ToolStart
from aichat_backend.errors import Unavailable


@dataclass
class AuditInMemory:
    """Remembers what was noted; fails while it is away."""

    tools: list[ToolStart] = field(default_factory=list)
    exported: list[tuple[str, str, str]] = field(default_factory=list)
    away: bool = False

    async def tool_starts(self, start: ToolStart) -> None:
        """Remember it."""
        if self.away:
            raise Unavailable("away")
        self.tools.append(start)

    async def exports(self, user_id: str, session_id: str, format_: str) -> None:
        """Remember it."""
        if self.away:
            raise Unavailable("away")
        self.exported.append((user_id, session_id, format_))
