"""What the stores must say, as plain lists in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from msgspec.structs import replace

from aichat_backend.chat.approvals import Approval, ApprovalStatus
from aichat_backend.chat.conversation import Message, Session
from aichat_backend.chat.parts import AttachmentPart, Role, ToolResultPart
from aichat_backend.storage.words import wanted_words, words_of


@dataclass
class ModelSession:
    """A session as the model remembers it."""

    made: int
    title: str
    created_at: datetime
    updated_at: datetime
    messages: list[Message] = field(default_factory=list)

    @property
    def asked(self) -> int:
        """How many messages there are to the last of the user's."""
        return max((place for place, message in enumerate(self.messages, 1) if message.role is Role.USER), default=0)

    def has(self, query: str) -> bool:
        """Whether a search finds it."""
        return any(
            _has(text, wanted_words(query)) for text in (self.title, *(message.text for message in self.messages))
        )

    def supersede(self) -> None:
        """The user went on without deciding."""
        for place, message in enumerate(self.messages):
            if message.approval is not None and message.approval.status is ApprovalStatus.PENDING:
                self.settle(place, ApprovalStatus.SUPERSEDED, ())

    def settle(self, place: int, status: ApprovalStatus, approved_ids: tuple[str, ...]) -> None:
        """Change what became of an approval."""
        message = self.messages[place]
        assert message.approval is not None
        approval = replace(message.approval, status=status, approved_ids=approved_ids)
        self.messages[place] = replace(message, approval=approval)


class Model:
    """All sessions of all users, and the contents of files that somebody refers to."""

    def __init__(self) -> None:
        self.sessions: dict[tuple[str, str], ModelSession] = {}
        self.contents: set[str] = set()
        self._uploads: dict[str, str] = {}
        self._made = count()

    def known(self, user: str) -> list[str]:
        """The ids of a user's sessions, newest activity first."""
        own = [(key[1], session) for key, session in self.sessions.items() if key[0] == user]
        return [name for name, _ in sorted(own, key=lambda item: (item[1].updated_at, item[1].made), reverse=True)]

    def session(self, user: str, name: str) -> Session:
        """The session as it is shown."""
        known = self.sessions[user, name]
        return Session(name, user, known.title, known.created_at, known.updated_at)

    def touch(self, user: str, name: str, title: str, now: datetime) -> ModelSession:
        """The session, made if need be, active now."""
        made = ModelSession(next(self._made), shown_title(title), now, now)
        session = self.sessions.setdefault((user, name), made)
        session.updated_at = now
        return session

    def approval(self, user: str, name: str | None, approval_id: str) -> tuple[str, int, Approval] | None:
        """The session, place and state of a user's approval."""
        for (owner, session_id), session in self.sessions.items():
            for place, message in enumerate(session.messages):
                if message.id == approval_id and owner == user and name in {None, session_id} and message.approval:
                    return session_id, place, message.approval
        return None

    def keep(self, file: AttachmentPart) -> None:
        """Contents for a message to come."""
        self._uploads[file.id] = file.sha256
        self.contents.add(file.sha256)

    def say(self, session: ModelSession, message: Message) -> None:
        """A message with its files; they need not be kept any longer, they are there."""
        session.messages.append(message)
        for file in files_of(message):
            self._uploads.pop(file.id, None)

    def remove(self, user: str, name: str) -> list[Message]:
        """The messages of a session that goes."""
        return self.sessions.pop((user, name)).messages

    def clear(self, user: str, name: str, now: datetime) -> list[Message]:
        """The messages of a session in whose place there is an empty one now."""
        old = self.sessions[user, name]
        self.sessions[user, name] = ModelSession(next(self._made), old.title, old.created_at, now)
        return old.messages

    def forget(self, messages: Iterable[Message]) -> None:
        """Drop contents of messages that went, unless somebody else refers to them."""
        present = [message for session in self.sessions.values() for message in session.messages]
        referred = {file.sha256 for message in present for file in files_of(message)} | set(self._uploads.values())
        self.contents -= {file.sha256 for message in messages for file in files_of(message)} - referred


def _has(text: str, wanted: tuple[str, ...]) -> bool:
    words = [*words_of(text)]
    return bool(wanted) and all(any(word.startswith(one) for word in words) for one in wanted)


def shown_title(title: str) -> str:
    """The title as it comes back."""
    return title.replace("\0", "\N{REPLACEMENT CHARACTER}")


def files_of(message: Message) -> Iterator[AttachmentPart]:
    """The user's files, and those that tools returned."""
    yield from message.attachments
    for part in message.parts:
        if isinstance(part, ToolResultPart):
            yield from part.files
