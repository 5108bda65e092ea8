"""What of a conversation fits into a model's context, beside its instructions, its tools and its answer.

Whole turns are left out, the oldest first. The last one is always sent; where it alone is too large, the results of its
tools are shortened, the oldest first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from msgspec import structs

from aichat_backend.chat.estimates import tokens_beside_messages, tokens_of_message, tokens_of_text
from aichat_backend.chat.parts import ChatMessage, ToolResultPart
from aichat_backend.chat.transcript import Step
from aichat_backend.providers.base import ModelRequest, ToolSpec

_TOKENS_OF_AN_ANSWER = 4_096
"""What most answers need, where nobody has said how long they may be."""
_MOST_OF_THE_CONTEXT = 4
"""An answer is left a quarter of it at most; the limit of its length may be far above what it needs."""
_LEAST_OF_A_RESULT = 200
"""Characters: how it begins and ends, the mark around it included."""
_LEFT_OUT = "\n[... There is no room for the rest. ...]\n"

Said = TypeVar("Said", bound=Step | ChatMessage)


def room_for_messages(
    context_tokens: int, *, system: str | None, tools: Sequence[ToolSpec], max_tokens: int | None
) -> int:
    """Tokens of a context that are left for what was said."""
    answer = min(max_tokens or _TOKENS_OF_AN_ANSWER, context_tokens // _MOST_OF_THE_CONTEXT)
    return context_tokens - answer - tokens_beside_messages(system, tools)


def fitted(request: ModelRequest, context_tokens: int) -> ModelRequest:
    """The request for a model with that context, which may be smaller than the one it was made for."""
    room = room_for_messages(context_tokens, system=request.system, tools=request.tools, max_tokens=request.max_tokens)
    return structs.replace(request, messages=tuple(fitting(request.messages, room)))


def fitting(steps: Sequence[Said], tokens: int) -> Sequence[Said]:
    """The newest turns that fit into a number of tokens; the last turn in any case."""
    starts = [position for position, step in enumerate(steps) if step.opens_turn]
    if not starts:
        return steps
    latest = kept = starts[-1]
    turn = list(_shortened(steps[latest:], tokens))
    room = tokens - sum(map(_tokens_of, turn))
    for start in reversed(starts[:-1]):
        room -= sum(map(_tokens_of, steps[start:kept]))
        if room < 0:
            break
        kept = start
    return _without_stray_results([*steps[kept:latest], *turn])


def _shortened(turn: Sequence[Said], tokens: int) -> Iterator[Said]:
    """The turn with as much of its results as there is room for, at the cost of the oldest."""
    over = sum(map(_tokens_of, turn)) - tokens
    for step in turn:
        size = sum(tokens_of_text(part.text) for part in step.parts if isinstance(part, ToolResultPart))
        if over <= 0 or not size:
            yield step
            continue
        shorter = _with_shorter_results(step, max(1 - over / size, 0))
        over -= _tokens_of(step) - _tokens_of(shorter)
        yield shorter


def _with_shorter_results(step: Said, share: float) -> Said:
    parts = (
        structs.replace(part, text=_cut(part.text, share)) if isinstance(part, ToolResultPart) else part
        for part in step.parts
    )
    return structs.replace(step, parts=tuple(parts))


def _cut(text: str, share: float) -> str:
    length = max(int(len(text) * share) - len(_LEFT_OUT), _LEAST_OF_A_RESULT)
    if length + len(_LEFT_OUT) >= len(text):
        return text
    tail = length // 4
    return f"{text[: length - tail]}{_LEFT_OUT}{text[-tail:]}"


def _without_stray_results(steps: list[Said]) -> Sequence[Said]:
    """Not those of calls that are left out: they may be in one step with what the user said next."""
    said = tuple(part for part in steps[0].parts if not isinstance(part, ToolResultPart))
    return [structs.replace(steps[0], parts=said), *steps[1:]]


def _tokens_of(step: Step | ChatMessage) -> int:
    return tokens_of_message(step.parts)
