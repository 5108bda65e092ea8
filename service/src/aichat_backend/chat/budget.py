"""How much of a conversation fits: whole turns are left out, the oldest first.

There are two budgets: the tokens that a model takes, and the bytes of files, which make a request too large for its
provider, and for our memory, long before pictures have used up the tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aichat_backend.chat.estimates import tokens_of_message
from aichat_backend.chat.transcript import Step, files_in

MOST_FILE_BYTES = 20_000_000
"""Of all files that are sent: in base64 somewhat less than the 32 MB that the strictest provider takes."""


def fitting(steps: Sequence[Step], tokens: int) -> Sequence[Step]:
    """The newest turns that fit into a number of tokens; the last turn in any case, whatever its size."""
    starts = [position for position, step in enumerate(steps) if step.opens_turn]
    if not starts:
        return steps
    kept = starts[-1]
    room = tokens - sum(map(_tokens_of, steps[kept:]))
    bytes_left = MOST_FILE_BYTES - _file_bytes(steps[kept:])
    for start in reversed(starts[:-1]):
        turn = steps[start:kept]
        room -= sum(map(_tokens_of, turn))
        size = _file_bytes(turn)
        bytes_left -= size
        if room < 0 or (size and bytes_left < 0):
            break
        kept = start
    return steps[kept:]


def _file_bytes(steps: Iterable[Step]) -> int:
    return sum(file.size for file in files_in(steps))


def _tokens_of(step: Step) -> int:
    return tokens_of_message(step.parts)
