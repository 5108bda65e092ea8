"""What a client knows of its conversations, and so what a server must know after a crash."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto


class Fate(Enum):
    """What became of something that was asked for."""

    NOT_ASKED = auto()
    UNKNOWN = auto()
    """The server died before it said."""
    DONE = auto()


@dataclass
class Heard:
    """An answer, as its reader got it."""

    deltas: list[tuple[float, str]] = field(default_factory=list)
    terminal: str | None = None

    def text(self, until: float) -> str:
        """What had come by then, without blanks."""
        return "".join("".join(text for at, text in self.deltas if at <= until).split())


@dataclass
class Question:
    """A question, what came of it, and what it made tools do."""

    token: str
    """In the question, and in nothing else."""
    stored: Fate
    heard: list[Heard] = field(default_factory=list)
    """Of its answer, of what followed a decision, of another answer in its place."""
    execution: str | None = None
    waits: bool = False
    """Whether that is not done before the user has approved it."""
    approved: bool | None = None
    """What the user decided on the call; known once what followed was heard to its end."""
    file: str | None = None
    """The contents of what was sent with it."""
    file_read: bool = False
    """Whether they were found to be there after a crash."""


@dataclass
class Pending:
    """A request for approval that was heard."""

    request_id: str
    decided: Fate = Fate.NOT_ASKED


@dataclass
class Conversation:
    """A session of a user."""

    user: str
    id: str
    questions: list[Question] = field(default_factory=list)
    pending: Pending | None = None
    deleted: Fate = Fate.NOT_ASKED
    cleared: list[str] = field(default_factory=list)
    """Tokens of questions that must be gone."""
    clearing: Fate = Fate.NOT_ASKED


@dataclass
class Journal:
    """All conversations with one server."""

    conversations: list[Conversation] = field(default_factory=list)

    def alive(self, user: str) -> list[Conversation]:
        """Those that a user can go on with."""
        return [each for each in self.conversations if each.user == user and each.deleted is Fate.NOT_ASKED]
