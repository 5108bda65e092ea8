"""Opened turns: what an answer follows, and how questions and answers come into the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from aichat_backend.chat.approvals import Decision
from aichat_backend.chat.conversation import Message, Session
from aichat_backend.chat.parts import Part
from aichat_backend.chat.usage import Spent


class OpenedTurn(Struct, frozen=True, kw_only=True):
    """A session that waits for the assistant to go on."""

    run_id: str
    """The run that answers. It is under way from here on, for every process, until the turn is closed or left."""
    session: Session
    created: bool = False
    """Whether the session is new."""
    history: tuple[Message, ...]
    """What the answer follows, oldest first. The last is the user's message, or the approval that was decided."""
    is_cut: bool = False
    """Whether the session has more before that: of very long ones, only the newest messages are read."""
    decision: Decision | None = None
    """What the user decided on that approval, which is this turn's alone to carry out."""
    replaces: tuple[str, ...] = ()
    """The ids of an earlier answer's messages, which go when this one is stored."""

    @property
    def message(self) -> Message:
        """What the answer follows. Without it the answer is not stored."""
        return self.history[-1]


class TurnStore(Protocol):
    """Questions and answers on their way into the store. Every call is one transaction of one user, in what it changes.

    Raises:
        Unavailable: when the database does not answer; nothing has changed then.
    """

    async def open_turn(
        self,
        user_id: str,
        session_id: str | None,
        *,
        title: str,
        parts: tuple[Part, ...],
        context: Mapping[str, str],
    ) -> OpenedTurn:
        """Store a user's message, with the session if that is new.

        Without an id the session is created under a fresh one; an id this user does not have yet is created as it is.
        `title` is for a session that is created here. Approvals that are pending in the session are superseded.

        Raises:
            InvalidRequest: when a text is not valid Unicode, or the id cannot be one.
            Conflict: an answer is under way in the session (`session_busy`), in whichever process.
        """

    async def reopen_turn(self, user_id: str, session_id: str) -> OpenedTurn:
        """The turn of the last user message once more; what followed it is what the new answer replaces.

        Approvals that are pending in the session are superseded.

        Raises:
            NotFound: the user has no such session.
            Conflict: it has no user message (`nothing_to_regenerate`), or an answer is under way in it
                (`session_busy`).
        """

    async def session_of_approval(self, user_id: str, approval_id: str) -> str:
        """The id of the session that the approval is in.

        Raises:
            NotFound: the user has no such approval.
        """

    async def decide_turn(self, user_id: str, session_id: str | None, decision: Decision) -> OpenedTurn:
        """Claim a pending approval, atomically and once. Without a session id, in whichever session it is.

        Raises:
            NotFound: the user has no such approval, there.
            Conflict: it is decided already (`approval_decided`), it can no longer be approved (`approval_expired`), or
                an answer is under way in the session (`session_busy`).
            InvalidRequest: the decision names a call that the approval is not about; the approval stays pending.
        """

    async def close_turn(self, turn: OpenedTurn, answer: Message, spent: Spent | None = None) -> bool:
        """Store the answer of a turn, with the approval it carries, in place of what it replaces; count what was spent.

        The question is known by its own id: a session deleted and made again under its old name does not have it.
        False, and no answer stored, when what it follows is gone (deleted or cleared). Asking again with the same
        answer does no harm: the first time may have succeeded although nobody heard of it.

        Raises:
            TakenOver: another process has ended the run, and has counted what it knew of; nothing is stored.
        """

    async def leave_turn(self, turn: OpenedTurn, spent: Spent | None = None) -> None:
        """End the run of a turn that comes to no answer; count what was spent, unless another process has ended it."""

    async def return_approval(self, turn: OpenedTurn) -> None:
        """As `leave_turn`, and let the approval that the turn has claimed wait again: nothing of it was carried out.

        Not when another process has ended the run: the approval stays decided then.
        """
