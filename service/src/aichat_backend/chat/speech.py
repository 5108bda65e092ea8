"""What is said in an answer, on its way into the draft and to the readers."""

from __future__ import annotations

from collections.abc import Mapping

from aichat_backend.chat.draft import Draft
from aichat_backend.chat.parts import TextPart
from aichat_backend.providers.base import ReasoningDelta, TextDelta
from aichat_backend.streams.log import EventLog
from aichat_backend.streams.messages import StreamMessage, StreamMessageType

_PARAGRAPH = "\n\n"
_TYPES: Mapping[type[TextDelta | ReasoningDelta], StreamMessageType] = {
    TextDelta: StreamMessageType.MESSAGE,
    ReasoningDelta: StreamMessageType.REASONING,
}


class Speech:
    """Keeps what was said before and after tools ran apart: readers get it as paragraphs, as the history shows it."""

    def __init__(self, draft: Draft, log: EventLog, session_id: str) -> None:
        self._draft = draft
        self._log = log
        self._session_id = session_id
        self._new_paragraph = False

    def begin_paragraph(self) -> None:
        """What is said from now on is apart from what was said before, if anything was."""
        self._new_paragraph = self._draft.has_text

    def say(self, delta: TextDelta | ReasoningDelta) -> None:
        """The next piece."""
        self._draft.add(delta)
        content = delta.text
        if self._new_paragraph and content and isinstance(delta, TextDelta):
            self._new_paragraph = False
            content = f"{_PARAGRAPH}{content.lstrip()}"
        if content:
            self._log.append(StreamMessage(type=_TYPES[type(delta)], session_id=self._session_id, content=content))

    def close(self, remark: str) -> None:
        """A last word of ours, apart from all that the model said."""
        # A model that is stopped in mid-sentence has no call between what it said and this.
        if any(isinstance(part, TextPart) for part in self._draft.parts()[-1:]):
            self._new_paragraph = False
            remark = f"{_PARAGRAPH}{remark}"
        else:
            self.begin_paragraph()
        self.say(TextDelta(remark))
