"""Decisions that come too late, told in a stream: whoever follows an answer hears there why there is none."""

from __future__ import annotations

from aichat_backend.chat.conversation import MessageStatus, random_id
from aichat_backend.errors import ChatError
from aichat_backend.streams.log import EventLog
from aichat_backend.streams.messages import StreamMessage, StreamMessageType


class Refusal:
    """A stream of one event, the error."""

    def __init__(self, user_id: str, session_id: str, error: ChatError) -> None:
        self.id = random_id()
        self.user_id = user_id
        self.session_id = session_id
        self.log = EventLog()
        self.log.close(StreamMessage(type=StreamMessageType.ERROR, session_id=session_id, error=error.message))

    def stop(self, status: MessageStatus) -> None:
        """It has ended."""

    async def told(self) -> None:
        """They have."""

    async def ended(self) -> None:
        """It has ended."""
