"""Messages come back as they were stored, whatever is in them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat_backend.chat.approvals import Approval, BoundCall
from aichat_backend.chat.conversation import Message, MessageStatus
from aichat_backend.chat.parts import (
    AttachmentPart,
    Part,
    ProviderState,
    ReasoningPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from aichat_backend.chat.text import is_well_formed
from aichat_backend.storage.encoding import decode_parts, encode, with_repaired_text
from aichat_backend.storage.text import is_plain
from fakes.conversations import all_messages, answer, ask
from fakes.stores import Store

pytestmark = pytest.mark.thorough

T = TypeVar("T")

ANY = st.text(st.characters(codec=None))
"""Every Python string, with NUL and lone surrogates."""
GOOD = st.text(st.characters(exclude_categories=["Cs"]))
AS_JSON = ANY.map(lambda text: json.loads(json.dumps(text)))
"""Every string that JSON can carry: two halves of a pair that meet are one character there."""

STATES = st.none() | st.builds(ProviderState, AS_JSON, AS_JSON)
TIMES = st.none() | st.datetimes(timezones=st.just(UTC))


def parts_of(text: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[Part, ...]]:
    """Messages made of every kind of part."""
    files = st.builds(AttachmentPart, text, text, text, st.integers(0, 2**53), text)
    return st.lists(
        st.builds(TextPart, text, STATES)
        | st.builds(ReasoningPart, text, STATES)
        | st.builds(ToolCallPart, text, text, text, STATES)
        | st.builds(
            ToolResultPart, text, text, text, st.booleans(), st.lists(files, max_size=2).map(tuple), TIMES, TIMES
        )
        | files,
        max_size=5,
    ).map(tuple)


@given(parts_of(GOOD))
def test_parts_come_back_as_they_were(parts: tuple[Part, ...]) -> None:
    stored = encode(parts)

    assert is_plain(stored)
    assert decode_parts(stored) == parts


@given(parts_of(ANY))
def test_whatever_a_model_says_can_be_stored(parts: tuple[Part, ...]) -> None:
    message = with_repaired_text(answer(*parts))
    stored = encode(message.parts)

    assert is_plain(stored)
    assert decode_parts(stored) == message.parts
    assert all(is_well_formed(text) for text in texts_in(message.parts))
    assert states_in(message.parts) == states_in(parts)


@given(GOOD)
def test_what_is_in_order_is_not_touched(text: str) -> None:
    message = whole(text)

    assert with_repaired_text(message) == message


def test_a_broken_character_is_repaired_wherever_it_is() -> None:
    assert with_repaired_text(whole("half a \ud83d tortoise")) == whole("half a \ufffd tortoise")
    assert with_repaired_text(whole("\ud83d\udc22")) == whole("🐢")


def whole(text: str) -> Message:
    """A message that has the text in every place, and states of a provider that never change."""
    state = ProviderState("gemini", "as it is \ud83d")
    file = AttachmentPart(text, text, text, 7, text)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Message(
        id="m",
        role=Role.TOOL_APPROVAL,
        parts=(
            TextPart(text, state),
            ReasoningPart(text, state),
            ToolCallPart(text, text, text, state),
            ToolResultPart(text, text, text, is_error=True, files=(file, file), started_at=now),
            file,
        ),
        status=MessageStatus.COMPLETE,
        created_at=now,
        context={text: text},
        model=text,
        approval=Approval(id="m", calls=(BoundCall(text, "t", "a"),), created_at=now, expires_at=now),
    )


def texts_in(value: object) -> list[str]:
    """Every string that is not a provider's own."""
    match value:
        case str():
            return [value]
        case tuple():
            return [text for item in value for text in texts_in(item)]
        case msgspec.Struct() if not isinstance(value, ProviderState):
            return [text for name in value.__struct_fields__ for text in texts_in(getattr(value, name))]
    return []


def states_in(parts: tuple[Part, ...]) -> list[ProviderState | None]:
    return [part.state for part in parts if isinstance(part, TextPart | ReasoningPart | ToolCallPart)]


@pytest.mark.parametrize(
    "data",
    ["\0", "\ud83d", '{"signature": "\\ud83d\\u0000"}', "c2lnbmF0dXJl+/==", "\r\n\t\x7f\u2028", "x" * 1_000_000],
)
async def test_what_a_provider_wants_back_comes_back_byte_exact(store: Store, data: str) -> None:
    state = ProviderState("anthropic", data)
    turn = await ask(store, "1", "s")
    given = answer(ReasoningPart("Hm.", state), TextPart("So.", state), ToolCallPart("c", "t", "{}", state))

    assert await store.close_turn(turn, given)

    assert (await all_messages(store, "1", "s"))[-1].parts == given.parts


async def test_what_is_opened_is_what_is_stored(store: Store) -> None:
    broken = AttachmentPart("a", "half a \ud83d tortoise\0.txt", "text/plain", 1, "0" * 64)

    turn = await store.open_turn("1", "s", title="t", parts=(TextPart("See."), broken), context={})

    assert turn.history == await all_messages(store, "1", "s")
    assert turn.message.attachments[0].filename == "half a \ufffd tortoise\0.txt"
