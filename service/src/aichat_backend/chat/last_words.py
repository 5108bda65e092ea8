"""What the readers of a run hear last: what the user must decide, an error, the end."""

from __future__ import annotations

from collections.abc import Iterator

from aichat_backend.chat.conversation import Message
from aichat_backend.chat.draft import unanswered_calls
from aichat_backend.chat.tool_events import approval_question, tool_calls
from aichat_backend.chat.turns import OpenedTurn
from aichat_backend.errors import ChatError, Unavailable
from aichat_backend.streams.messages import StreamMessage, StreamMessageType

_STOPPED_BY_THE_SERVICE = "The service is restarting; what was answered so far is kept. Ask again in a moment."
_NOT_YET_STORED = (
    "The answer has ended, but the chat history cannot be reached at the moment. The answer is saved as soon as it is "
    "back: reload the conversation in a little while."
)
_INTERNAL = "Something went wrong on the server; the administrator finds the cause in its log."
_NEXT_APPROVAL = "\n\n*More approval is needed: reload the conversation to decide.*"


def request_for_approval(turn: OpenedTurn, answer: Message) -> Iterator[StreamMessage]:
    """What asks the user to decide, if the answer waits for that. The approval is stored by then and can be claimed."""
    if answer.approval is None:
        return
    session_id = turn.session.id
    if turn.decision is not None:
        # The chat's widget does not show a second request inside an approval's own stream.
        yield StreamMessage(type=StreamMessageType.MESSAGE, session_id=session_id, content=_NEXT_APPROVAL)
    calls = unanswered_calls(answer.parts)
    yield StreamMessage(
        type=StreamMessageType.TOOL_APPROVAL_REQUEST,
        session_id=session_id,
        request_id=answer.approval.id,
        tool_calls=tool_calls(calls),
        content=approval_question(calls),
    )


def end(turn: OpenedTurn, error: ChatError | None) -> StreamMessage:
    """The one event that ends the stream."""
    session_id = turn.session.id
    if error is not None:
        return StreamMessage(type=StreamMessageType.ERROR, session_id=session_id, error=error.message)
    return StreamMessage(type=StreamMessageType.DONE, session_id=session_id, done=True)


def in_safe_words(error: BaseException) -> ChatError:
    """The error as anybody may read it."""
    return error if isinstance(error, ChatError) else ChatError(_INTERNAL)


def stopped_by_the_service() -> Unavailable:
    """Nobody asked for the answer to be stopped."""
    return Unavailable(_STOPPED_BY_THE_SERVICE, code="stopping", retry_after=5)


def not_yet_stored() -> Unavailable:
    """The answer is there, and the database is not."""
    return Unavailable(_NOT_YET_STORED, code="not_stored_yet", retry_after=30)
