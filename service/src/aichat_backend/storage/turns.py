"""Turns in the database: the `TurnStore` of the running service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy import Connection

from aichat_backend.chat.approvals import Decision
from aichat_backend.chat.audit import AuditAction
from aichat_backend.chat.conversation import Message, MessageStatus, Session, random_id
from aichat_backend.chat.parts import Part, Role, TextPart
from aichat_backend.chat.turns import OpenedTurn
from aichat_backend.chat.underway import Owner
from aichat_backend.chat.usage import Spent
from aichat_backend.errors import Conflict, InvalidRequest, NotFound, TakenOver
from aichat_backend.storage import queries
from aichat_backend.storage.adding import grow_or_insert_session, insert_message, insert_session
from aichat_backend.storage.answers import put_answer
from aichat_backend.storage.approvals import APPROVAL, claim, note_decision, supersede, unclaim
from aichat_backend.storage.clock import Clock, utc_now
from aichat_backend.storage.database import Storage
from aichat_backend.storage.encoding import with_repaired_text
from aichat_backend.storage.history import Contents, history, read_contents
from aichat_backend.storage.lookups import named, the_session
from aichat_backend.storage.rows import approval_of, session_of
from aichat_backend.storage.runs import begin_run, end_run
from aichat_backend.storage.text import is_plain, require_well_formed, storable_title
from aichat_backend.storage.usage import count_usage

_LONGEST_ID = 64


class SqlTurnStore:
    """Turns in SQL. A session's `updated_at` moves with all that is said or decided in it."""

    def __init__(
        self, database: Storage, owner: Owner, *, clock: Clock = utc_now, new_id: Callable[[], str] = random_id
    ) -> None:
        self._database = database
        self._owner = owner
        self._clock = clock
        self._new_id = new_id

    async def open_turn(
        self,
        user_id: str,
        session_id: str | None,
        *,
        title: str,
        parts: tuple[Part, ...],
        context: Mapping[str, str],
    ) -> OpenedTurn:
        """Store a user's message, with the session if that is new. Searches find it a moment later.

        Raises:
            InvalidRequest: when a text is not valid Unicode, or the id cannot be one.
            Conflict: an answer is under way in the session (`session_busy`), in whichever process.
        """
        require_well_formed(
            *(part.text for part in parts if isinstance(part, TextPart)), *context.keys(), *context.values()
        )
        if session_id and not (is_plain(session_id) and len(session_id) <= _LONGEST_ID):
            raise InvalidRequest("The session id is too long, or contains characters that are not allowed.")
        now = self._clock()
        wanted = Session(session_id or self._new_id(), user_id, storable_title(title), now, now)
        message = with_repaired_text(
            Message(
                id=self._new_id(),
                role=Role.USER,
                parts=parts,
                status=MessageStatus.COMPLETE,
                created_at=now,
                context=dict(context),
            )
        )

        def begin(connection: Connection) -> OpenedTurn:
            session_pk = insert_session(connection, wanted, self._database.insert)
            message_pk = insert_message(connection, message, session_pk, 1)
            turn = OpenedTurn(run_id=self._new_id(), session=wanted, created=True, history=(message,))
            return self._begun(connection, turn, now, session_pk, message_pk)

        def go_on(connection: Connection) -> OpenedTurn:
            row, created = grow_or_insert_session(connection, wanted, self._database.insert)
            before = history(connection, _named(wanted), row.message_count - 1, contents)
            said = supersede(connection, wanted, row.pk, before.messages, now)
            message_pk = insert_message(connection, message, row.pk, row.message_count)
            turn = OpenedTurn(
                run_id=self._new_id(),
                session=session_of(row),
                created=created,
                history=(*said, message),
                is_cut=before.is_cut,
            )
            return self._begun(connection, turn, now, row.pk, message_pk)

        if not session_id:
            return await self._database.write(begin)
        contents = await self._contents(_named(wanted))
        return await self._database.write(go_on)

    async def reopen_turn(self, user_id: str, session_id: str) -> OpenedTurn:
        """The turn of the last user message once more; what followed it is what the new answer replaces.

        Raises:
            NotFound: the user has no such session.
            Conflict: it has no user message (`nothing_to_regenerate`), or an answer is under way in it
                (`session_busy`).
        """
        parameters = named(user_id, session_id)
        contents = await self._contents(parameters)
        now = self._clock()

        def reopen(connection: Connection) -> OpenedTurn:
            # The row in common with whoever takes the session away, who must see the run then, or run again.
            connection.execute(queries.TOUCH_SESSION, {**parameters, "now": now})
            row = the_session(connection, queries.SESSION, parameters)
            session = session_of(row)
            before = history(connection, parameters, row.message_count, contents)
            said = supersede(connection, session, row.pk, before.messages, now)
            asked = max((place for place, message in enumerate(said, 1) if message.role is Role.USER), default=0)
            if not asked:
                raise Conflict("There is no question to answer again.", code="nothing_to_regenerate")
            replaces = tuple(message.id for message in said[asked:])
            turn = OpenedTurn(
                run_id=self._new_id(),
                session=session,
                history=said[:asked],
                is_cut=before.is_cut,
                replaces=replaces,
            )
            followed = connection.execute(queries.LOCKED_MESSAGE, {**parameters, "message": turn.message.id}).one()
            return self._begun(connection, turn, now, row.pk, followed.pk)

        return await self._database.write(reopen)

    async def session_of_approval(self, user_id: str, approval_id: str) -> str:
        """The id of the session that the approval is in.

        Raises:
            NotFound: the user has no such approval.
        """
        if not is_plain(approval_id):
            raise _approval_not_found()

        def look_up(connection: Connection) -> str:
            found = connection.execute(APPROVAL, {"owner": user_id, "message": approval_id}).one_or_none()
            if found is None:
                raise _approval_not_found()
            return str(found.session_id)

        return await self._database.read(look_up)

    async def decide_turn(self, user_id: str, session_id: str | None, decision: Decision) -> OpenedTurn:
        """Claim a pending approval, atomically and once. Without a session id, in whichever session it is.

        Raises:
            NotFound: the user has no such approval, there.
            Conflict: it is decided already (`approval_decided`), it can no longer be approved (`approval_expired`), or
                an answer is under way in the session (`session_busy`).
            InvalidRequest: the decision names a call that the approval is not about; the approval stays pending.
        """
        place = await self.session_of_approval(user_id, decision.approval_id)
        if session_id not in (None, place):
            raise _approval_not_found()
        contents = await self._contents(named(user_id, place))
        now = self._clock()

        def decide(connection: Connection) -> OpenedTurn:
            found = connection.execute(APPROVAL, {"owner": user_id, "message": decision.approval_id}).one_or_none()
            if found is None:
                raise _approval_not_found()
            parameters = named(user_id, found.session_id)
            # First of all, so that the session's other writers wait where there is more than one.
            connection.execute(queries.TOUCH_SESSION, {**parameters, "now": now})
            status = claim(connection, approval_of(found), found.message_pk, decision, now)
            row = connection.execute(queries.SESSION, parameters).one()
            before = history(connection, parameters, found.position, contents)
            turn = OpenedTurn(
                run_id=self._new_id(),
                session=session_of(row),
                history=before.messages,
                is_cut=before.is_cut,
                decision=decision,
            )
            note_decision(connection, AuditAction(status.value), turn.message, turn.session, now)
            return self._begun(connection, turn, now, row.pk, found.message_pk)

        return await self._database.write(decide)

    async def close_turn(self, turn: OpenedTurn, answer: Message, spent: Spent | None = None) -> bool:
        """Store the answer of a turn, with the approval it carries, in place of what it replaces; count what was spent.

        False, and no answer stored, when what it follows is gone (deleted or cleared).

        Raises:
            TakenOver: another process has ended the run, and has counted what it knew of; nothing is stored.
        """
        message = with_repaired_text(answer)
        parameters = _named(turn.session)
        now = self._clock()

        def store(connection: Connection) -> bool:
            row = connection.execute(queries.LOCKED_MESSAGE, {**parameters, "message": turn.message.id}).one_or_none()
            if row is None:
                self._count(connection, turn, spent, now)
                return False
            if end_run(connection, turn):
                put_answer(
                    connection,
                    message,
                    parameters,
                    now,
                    session_pk=row.session_pk,
                    followed=row.position,
                    replaces=turn.replaces,
                )
                self._count(connection, turn, spent, now)
            elif not connection.execute(queries.LOCKED_MESSAGE, {**parameters, "message": message.id}).all():
                raise TakenOver
            return True

        return await self._database.write(store)

    async def leave_turn(self, turn: OpenedTurn, spent: Spent | None = None) -> None:
        """End the run of a turn that comes to no answer; count what was spent, unless another process has ended it."""
        question = {**_named(turn.session), "message": turn.message.id}
        now = self._clock()

        def leave(connection: Connection) -> None:
            if end_run(connection, turn) or not connection.execute(queries.LOCKED_MESSAGE, question).all():
                self._count(connection, turn, spent, now)

        await self._database.write(leave)

    async def return_approval(self, turn: OpenedTurn) -> None:
        """Let the approval that the turn has claimed wait again, unless another process has ended the run."""
        parameters = {**_named(turn.session), "message": turn.message.id}
        now = self._clock()

        def give_back(connection: Connection) -> None:
            row = connection.execute(queries.LOCKED_MESSAGE, parameters).one_or_none()
            if row is not None and end_run(connection, turn) and unclaim(connection, row.pk):
                note_decision(connection, AuditAction.APPROVAL_RETURNED, turn.message, turn.session, now)

        await self._database.write(give_back)

    async def _contents(self, parameters: Mapping[str, str]) -> Contents:
        """What may be followed in a session, for a turn that is opened next. No other writer waits for that."""
        return await self._database.read(lambda connection: read_contents(connection, parameters))

    def _count(self, connection: Connection, turn: OpenedTurn, spent: Spent | None, now: datetime) -> None:
        if spent is not None:
            count_usage(connection, self._database.insert, turn.session.user_id, spent.model, spent.usage, now)

    def _begun(
        self, connection: Connection, turn: OpenedTurn, now: datetime, session_pk: int, message_pk: int
    ) -> OpenedTurn:
        """The turn, under way."""
        insert = self._database.insert
        begin_run(connection, insert, turn, self._owner, now, session_pk=session_pk, message_pk=message_pk)
        return turn


def _approval_not_found() -> NotFound:
    return NotFound("Approval not found")


def _named(session: Session) -> dict[str, str]:
    return {"owner": session.user_id, "session": session.id}
