"""An answer in the making."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from aichat_backend.chat.parts import Part, ProviderState, ReasoningPart, TextPart, ToolCallPart, ToolResultPart, Usage
from aichat_backend.providers.base import ReasoningDelta, TextDelta


class Draft:
    """The parts of an answer, in the order in which they came. What is in it is kept, however the turn ends."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._appended: set[int] = set()
        self._pieces: list[str] = []
        self._kind: type[TextDelta | ReasoningDelta] = TextDelta
        self.version = 0
        """Another one after every change."""
        self.has_text = False
        """Whether there is anything to read."""
        self.usage: Usage | None = None
        """Of all model calls together."""
        self.model: str | None = None
        """Who answered, where that was another than the one that was asked."""
        self.first_text_at: float | None = None
        """When the first text came, by the monotonic clock."""

    def __bool__(self) -> bool:
        """Whether there is anything to keep."""
        return self.has_text or any(isinstance(part, ToolCallPart | ToolResultPart) for part in self._parts)

    def __contains__(self, part: Part) -> bool:
        """Whether that very part was appended."""
        return id(part) in self._appended

    def add(self, delta: TextDelta | ReasoningDelta) -> None:
        """Append what the model said next."""
        self.version += 1
        kind = type(delta)
        if kind is not self._kind:
            self._end_part()
            self._kind = kind
        if kind is TextDelta and not self.has_text and delta.text.strip():
            self.has_text = True
            self.first_text_at = monotonic()
        self._pieces.append(delta.text)
        if delta.state is not None:
            self._end_part(delta.state)

    def append(self, part: ToolCallPart | ToolResultPart) -> None:
        """Append a call or a result."""
        self.version += 1
        self._end_part()
        self._parts.append(part)
        self._appended.add(id(part))

    def count(self, usage: Usage, model: str | None = None) -> None:
        """Add what a model call has cost, and who answered it where that was another than the one that was asked."""
        self.version += 1
        self.usage = usage if self.usage is None else self.usage + usage
        self.model = model or self.model

    def parts(self) -> tuple[Part, ...]:
        """What there is so far."""
        return (*self._parts, *self._unfinished())

    def _end_part(self, state: ProviderState | None = None) -> None:
        self._parts.extend(self._unfinished(state))
        self._pieces.clear()

    def _unfinished(self, state: ProviderState | None = None) -> Sequence[Part]:
        text = "".join(self._pieces)
        if not text and state is None:
            return ()
        return (TextPart(text, state) if self._kind is TextDelta else ReasoningPart(text, state),)


def unanswered_calls(parts: Sequence[Part]) -> tuple[ToolCallPart, ...]:
    """The calls among the parts that have no result among them."""
    answered = {part.call_id for part in parts if isinstance(part, ToolResultPart)}
    return tuple(part for part in parts if isinstance(part, ToolCallPart) and part.id not in answered)
