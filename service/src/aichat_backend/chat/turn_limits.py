"""How far one answer may go before it must end."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from msgspec import Struct

from aichat_backend.chat.conversation import Message
from aichat_backend.chat.parts import Role, ToolCallPart, ToolResultPart, Usage


class TurnLimits(Struct, frozen=True):
    """What one answer may take."""

    rounds: int = 10
    """Times in a row that the model may turn to tools."""
    seconds: float = 900
    tokens: int = 1_000_000
    calls: int = 50
    """Tools that the model may call altogether."""
    waiting: int = 20
    """Calls that the user is asked about at once."""


class Progress:
    """How often the model has turned to tools since the user's question, also before the user was asked about some."""

    def __init__(self, limits: TurnLimits, history: Sequence[Message]) -> None:
        self._limits = limits
        self._rounds, self._calls = _so_far(history)

    def begin_round(self, spent: Usage | None) -> str | None:
        """Count a turn to tools; the answer is the limit that it would go beyond, as a clause, or None."""
        self._rounds += 1
        rounds, tokens = self._limits.rounds, self._limits.tokens
        if self._rounds > rounds:
            return f"the limit of {rounds} rounds of tool calls for one answer is reached"
        if spent is not None and spent.input_tokens + spent.output_tokens > tokens:
            return f"the limit of {tokens} tokens for one answer is reached"
        return None

    def admit(self, calls: int) -> int:
        """Count calls; the answer is how many of them may be made."""
        room = max(self._limits.calls - self._calls, 0)
        self._calls += calls
        return min(calls, room)


def _so_far(history: Sequence[Message]) -> tuple[int, int]:
    """How often the model turned to tools since the user's last message, and how many calls it made."""
    since = history[_last_question(history) :]
    parts = [part for message in since for part in message.parts if isinstance(part, ToolCallPart | ToolResultPart)]
    rounds = [list(group) for calling, group in groupby(parts, lambda part: isinstance(part, ToolCallPart)) if calling]
    return len(rounds), sum(map(len, rounds))


def _last_question(history: Sequence[Message]) -> int:
    return max((place for place, message in enumerate(history) if message.role is Role.USER), default=0)
