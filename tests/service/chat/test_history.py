"""What a model is asked: the conversation as providers want it."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from aichat_backend.chat.conversation import Message, MessageStatus
from aichat_backend.chat.history import ModelOptions, build_request
from aichat_backend.chat.parts import ReasoningPart, Role, TextPart, text_of

OPTIONS = ModelOptions(model="m", system="Be brief.", temperature=0.5, max_tokens=9)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def message(
    role: Role, text: str, context: dict[str, str] | None = None, status: MessageStatus = MessageStatus.COMPLETE
) -> Message:
    parts = (ReasoningPart("thinking"), TextPart(text)) if text else (ReasoningPart("thinking"),)
    return Message(id="m", role=role, parts=parts, status=status, created_at=NOW, context=context or {})


MESSAGES = st.builds(
    message,
    st.sampled_from(Role),
    st.sampled_from(["", " ", "\n"]) | st.text(max_size=12),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
    st.sampled_from(MessageStatus),
)
QUESTION = st.builds(message, st.just(Role.USER), st.text(min_size=1).filter(str.strip))


@given(st.lists(MESSAGES, max_size=12), QUESTION)
def test_roles_alternate_from_the_first_question_to_the_last_and_nothing_is_empty(
    earlier: list[Message], question: Message
) -> None:
    request = build_request(OPTIONS, [*earlier, question])

    roles = [said.role for said in request.messages]
    assert roles[0] == roles[-1] == Role.USER
    assert all(one != next_one for one, next_one in pairwise(roles))
    assert all(text_of(said.parts).strip() for said in request.messages)
    assert text_of(request.messages[-1].parts).endswith(question.text)


@given(st.lists(MESSAGES, max_size=12), QUESTION)
def test_every_visible_word_since_the_first_question_is_there_in_order(
    earlier: list[Message], question: Message
) -> None:
    asked = "\0".join(text_of(said.parts) for said in build_request(OPTIONS, [*earlier, question]).messages)

    spoken = [said for said in [*earlier, question] if said.text.strip()]
    while spoken[0].role is not Role.USER:
        spoken.pop(0)
    position = 0
    for said in spoken:
        position = asked.index(said.text, position) + len(said.text)
        for name, value in said.context.items():
            assert f"- {name}: {value}" in asked[position:]


def test_a_conversation_goes_to_the_model_with_the_operator_s_choices() -> None:
    request = build_request(
        OPTIONS,
        [
            message(Role.USER, "Why?", {"dashboard": "MySQL", "host": "db1"}),
            message(Role.ASSISTANT, "Because", status=MessageStatus.STOPPED),
            message(Role.USER, "Go on."),
            message(Role.USER, "Please."),
        ],
    )

    assert (request.model, request.system, request.temperature, request.max_tokens) == ("m", "Be brief.", 0.5, 9)
    assert [(said.role, text_of(said.parts)) for said in request.messages] == [
        (Role.USER, "Why?\n\nThe page this was asked on says about itself:\n- dashboard: MySQL\n- host: db1"),
        (Role.ASSISTANT, "Because"),
        (Role.USER, "Go on.\n\nPlease."),
    ]


def test_reasoning_is_not_sent_back() -> None:
    request = build_request(
        OPTIONS, [message(Role.USER, "Why?"), message(Role.ASSISTANT, "So."), message(Role.USER, "?")]
    )

    assert "thinking" not in repr(request)
