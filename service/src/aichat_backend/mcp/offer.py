"""What a server's tools are to us: its list, held against the operator's rules and the pins."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from msgspec import Struct

from aichat_backend.chat.tools import ToolPins, ToolPolicy
from aichat_backend.mcp.entries import LISTED_FOR_NOBODY, Endpoint, ServerEntry
from aichat_backend.mcp.listing import ListedTool
from aichat_backend.mcp.pins import Pins, PinsUnknown
from aichat_backend.mcp.text import one_line

_LONGEST_NOTE = 300

_log = structlog.get_logger(__name__)


class OfferedTool(Struct, frozen=True):
    """A tool with what the operator's rules and its pin make of it."""

    listed: ListedTool
    policy: ToolPolicy
    read_only: bool


class Offer:
    """The tools of one server as they are now."""

    def __init__(self, entry: ServerEntry, pins: ToolPins) -> None:
        self._entry = entry
        self._pins = Pins(entry, pins)
        self.tools: tuple[OfferedTool, ...] = ()
        self.pins_known = True
        """Whether the pins could be asked."""
        self._changed: tuple[str, ...] = ()
        self._fitting_none: tuple[str, ...] = ()
        self._offers_nothing_to_nobody = False

    def find(self, name: str) -> OfferedTool | None:
        """The tool of that name at its server."""
        return next((tool for tool in self.tools if tool.listed.name == name), None)

    @property
    def note(self) -> str | None:
        """What an administrator should know of it."""
        if not self.pins_known:
            return "the database cannot tell which tools have changed: every one is asked for until it can"
        if self._offers_nothing_to_nobody:
            return f"it offers no tools: {LISTED_FOR_NOBODY}"
        if self._changed:
            return one_line(
                "new or changed since the entry was first used, and asked for until it is edited: "
                + ", ".join(self._changed),
                _LONGEST_NOTE,
            )
        return None

    async def take(self, listed: Sequence[ListedTool]) -> bool:
        """Put a new list in place of the old one; the answer is whether anything is different."""
        try:
            known = await self._pins.unchanged(listed)
        except PinsUnknown as error:
            known = frozenset[str]()
            if self.pins_known:
                _log.warning("mcp_pins_unknown", server=self._entry.name, exc_info=error)
            self.pins_known = False
        else:
            self.pins_known = True
            self._tell_changes(tuple(tool.name for tool in listed if tool.name not in known))
        self._tell_misspelt(listed)
        target = self._entry.target
        self._offers_nothing_to_nobody = not listed and isinstance(target, Endpoint) and target.lists_for_nobody
        tools = tuple(self._offered(tool, trustworthy=tool.name in known) for tool in listed)
        different, self.tools = tools != self.tools, tools
        return different

    def _offered(self, tool: ListedTool, *, trustworthy: bool) -> OfferedTool:
        """The operator's word holds for the tool as it was; what it has become is for a person to judge."""
        rules = self._entry.rules
        policy = rules.policy(tool.name, claims_read_only=tool.claims_read_only)
        if not trustworthy:
            return OfferedTool(tool, ToolPolicy.DENY if policy is ToolPolicy.DENY else ToolPolicy.ASK, False)
        return OfferedTool(tool, policy, rules.is_read_only(tool.name, claims_read_only=tool.claims_read_only))

    def _tell_changes(self, changed: tuple[str, ...]) -> None:
        for name in changed:
            if name not in self._changed:
                _log.warning("mcp_tool_changed", server=self._entry.name, tool=name)
        self._changed = changed

    def _tell_misspelt(self, listed: Sequence[ListedTool]) -> None:
        fitting_none = self._entry.rules.without_tool(tool.name for tool in listed)
        if fitting_none != self._fitting_none:
            self._fitting_none = fitting_none
            for pattern in fitting_none:
                _log.warning("mcp_rule_fits_no_tool", server=self._entry.name, pattern=pattern)
