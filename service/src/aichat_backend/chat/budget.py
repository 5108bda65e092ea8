"""How much of a conversation fits: whole turns are left out, the oldest first."""

from __future__ import annotations

from collections.abc import Sequence

from aichat_backend.chat.estimates import tokens_of_message
from aichat_backend.chat.transcript import Step


def fitting(steps: Sequence[Step], tokens: int) -> Sequence[Step]:
    """The newest turns that fit into a number of tokens; the last turn in any case, whatever its size."""
    starts = [position for position, step in enumerate(steps) if step.opens_turn]
    if not starts:
        return steps
    kept = starts[-1]
    room = tokens - sum(map(_tokens_of, steps[kept:]))
    for start in reversed(starts[:-1]):
        room -= sum(map(_tokens_of, steps[start:kept]))
        if room < 0:
            break
        kept = start
    return steps[kept:]


def _tokens_of(step: Step) -> int:
    return tokens_of_message(step.parts)
