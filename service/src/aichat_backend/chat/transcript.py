"""Stored messages as a conversation that every provider accepts.

Providers refuse a conversation in which roles do not alternate, in which a tool call has no result or a result no
call; and a crash, a stop or an old version may have left exactly that. So what is missing is added and what is stray
is dropped, each time a model is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import dropwhile, groupby

from msgspec import Struct, structs

from aichat_backend.chat.approvals import Approval
from aichat_backend.chat.conversation import Message
from aichat_backend.chat.marks import page_context
from aichat_backend.chat.parts import AttachmentPart, Part, ReasoningPart, Role, TextPart, ToolCallPart, ToolResultPart

NOT_APPROVED = "The user did not approve this call; it did not run."
RESULT_LOST = "The result is lost: the answer was interrupted. It is not known whether the tool ran."


class Step(Struct, frozen=True):
    """One message of the conversation, its files not loaded yet. `role` is USER or ASSISTANT."""

    role: Role
    parts: tuple[Part, ...]
    opens_turn: bool = False
    """Whether the user speaks here, and not only tools."""


def transcript(history: Sequence[Message], draft: Sequence[Part] = ()) -> list[Step]:
    """The conversation, with what has been said since: roles alternate, every call has one result.

    It begins with the user's first message; without one it is empty.
    """
    said = dropwhile(lambda item: item.kind != Role.USER, _said(history, draft))
    return list(_merged(_answered(_grouped(said))))


class _Said(Struct, frozen=True):
    """A part, and where it was said."""

    kind: str
    """Said by the user, said by the assistant, or the result of a tool."""
    part: Part
    approval: Approval | None = None


_RESULT = "result"


def _said(history: Sequence[Message], draft: Sequence[Part]) -> Iterator[_Said]:
    for message in history:
        role = Role.USER if message.role is Role.USER else Role.ASSISTANT
        for part in _with_context(message):
            if not _is_blank(part):
                yield _Said(_kind(role, part), part, message.approval)
    for part in draft:
        if not _is_blank(part):
            yield _Said(_kind(Role.ASSISTANT, part), part)


def _kind(role: Role, part: Part) -> str:
    return _RESULT if isinstance(part, ToolResultPart) else role.value


def _is_blank(part: Part) -> bool:
    """Whether no model needs it: text without a word, or thoughts that nobody can read any more."""
    match part:
        case TextPart(text=text, state=None):
            return not text.strip()
        case ReasoningPart(state=None):
            return True
        case _:
            return False


def _with_context(message: Message) -> Sequence[Part]:
    if not message.context:
        return message.parts
    facts = "\n".join(f"- {name}: {value}" for name, value in message.context.items())
    return (*message.parts, TextPart(f"The page this was asked on says about itself:\n{page_context(facts)}"))


def _grouped(said: Iterable[_Said]) -> Iterator[tuple[str, list[_Said]]]:
    for kind, group in groupby(said, key=lambda item: item.kind):
        yield kind, list(group)


def _answered(groups: Iterable[tuple[str, list[_Said]]]) -> Iterator[Step]:
    """The groups as steps, with exactly one result for every call, right after the calls."""
    calls: dict[str, ToolResultPart] = {}
    for kind, group in groups:
        if kind == _RESULT:
            for item in group:
                if isinstance(item.part, ToolResultPart) and item.part.call_id in calls:
                    calls[item.part.call_id] = item.part
            continue
        if calls:
            yield Step(Role.USER, tuple(calls.values()))
            calls = {}
        if kind == Role.USER:
            yield Step(Role.USER, tuple(item.part for item in group), opens_turn=True)
        elif any(not isinstance(item.part, ReasoningPart) for item in group):
            step, calls = _assistant_step(group)
            yield step
    if calls:
        yield Step(Role.USER, tuple(calls.values()))


def _assistant_step(group: Sequence[_Said]) -> tuple[Step, dict[str, ToolResultPart]]:
    """What the assistant said, and for each of its calls the result that holds while there is no other."""
    calls: dict[str, ToolResultPart] = {}
    parts: list[Part] = []
    for item in group:
        if isinstance(item.part, ToolCallPart):
            if item.part.id in calls:
                continue
            calls[item.part.id] = _without_result(item.part, item.approval)
        parts.append(item.part)
    # Thoughts that nothing follows are of an answer that was stopped. A message that ends with them is refused by some.
    while isinstance(parts[-1], ReasoningPart):
        parts.pop()
    return Step(Role.ASSISTANT, tuple(parts)), calls


def _without_result(call: ToolCallPart, approval: Approval | None) -> ToolResultPart:
    refused = approval is not None and call.id not in approval.approved_ids
    return ToolResultPart(call.id, call.name, NOT_APPROVED if refused else RESULT_LOST, is_error=True)


def _merged(steps: Iterable[Step]) -> Iterator[Step]:
    """Neighbours of one role as one step."""
    for role, neighbours in groupby(steps, key=lambda step: step.role):
        together = list(neighbours)
        parts = tuple(part for step in together for part in step.parts)
        yield Step(
            role,
            _with_joined_text(parts) if role is Role.USER else parts,
            opens_turn=any(step.opens_turn for step in together),
        )


def _with_joined_text(parts: Sequence[Part]) -> tuple[Part, ...]:
    """A user's texts in a row as one, a paragraph each."""
    joined: list[Part] = []
    for part in parts:
        if isinstance(part, TextPart) and joined and isinstance(before := joined[-1], TextPart):
            joined[-1] = structs.replace(before, text=f"{before.text}\n\n{part.text}")
        else:
            joined.append(part)
    return tuple(joined)


def files_in(steps: Iterable[Step]) -> Iterator[AttachmentPart]:
    """Every file of these steps, those that tools returned among them."""
    for step in steps:
        for part in step.parts:
            if isinstance(part, AttachmentPart):
                yield part
            elif isinstance(part, ToolResultPart):
                yield from part.files
