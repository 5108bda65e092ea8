"""Whatever two users do in whatever order, the stores say what a simple model says."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from aichat_backend.chat.approvals import ApprovalStatus, Decision
from aichat_backend.chat.conversation import Message, Page
from aichat_backend.chat.files import NewFile
from aichat_backend.chat.parts import AttachmentPart, TextPart, ToolResultPart
from aichat_backend.chat.turns import OpenedTurn
from aichat_backend.errors import ChatError, Conflict, InvalidRequest, NotFound, TakenOver
from aichat_backend.storage.database import Database
from aichat_backend.storage.files import SqlFileStore
from fakes.clock import SteppingClock
from fakes.conversations import all_messages, answer, approval_of_calls
from fakes.postgres import PostgresServer
from fakes.sql import column, rows
from fakes.stores import Store
from storage.model import Model, shown_title

pytestmark = pytest.mark.thorough

# Mostly the same user in the same session: the more that meets there, the more can go wrong.
USERS = st.sampled_from("1112")
NAMES = st.sampled_from("aaab")
NAMES_OR_NONE = st.sampled_from((*"aaab", None))
TEXTS = st.text(st.sampled_from("aAbß東京 ") | st.characters(exclude_categories=["Cs"]), max_size=8)
CALLS = st.sampled_from("xyz")


@dataclass(frozen=True)
class Reply:
    """What follows a turn at once: an answer, or a request for approval."""

    text: str
    calls: frozenset[str] = frozenset()
    seconds: int = 0
    """How long the calls can be approved."""


REPLIES = (
    st.none()
    | st.builds(Reply, TEXTS)
    | st.builds(Reply, TEXTS, st.frozensets(CALLS, min_size=1), st.sampled_from([0, 1, 9]))
)

Turns = OpenedTurn | MultipleResults[OpenedTurn]


class Conversations(RuleBasedStateMachine):
    """The stores beside their model."""

    new_database: ClassVar[Callable[[Path], str]]
    """Makes an empty database, in that folder if it is a file; its URL."""
    turns: Bundle[OpenedTurn] = Bundle("turns")
    files: Bundle[AttachmentPart] = Bundle("files")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.runner = asyncio.Runner()
        self.database = self.runner.run(Database.open(self.new_database(self.folder)))
        # Time stands still until it is told to move: many things happen in the same instant.
        self.clock = SteppingClock(step=timedelta(0))
        ids = map("{:05}".format, count())
        self.store = Store(self.database, clock=self.clock, new_id=lambda: next(ids))
        self.file_store = SqlFileStore(self.database, clock=self.clock, new_id=lambda: next(ids))
        self.model = Model()
        self.asked: list[tuple[str, str, str]] = []
        """Users, sessions and ids of requests for approval, the latest last."""
        self.under_way: dict[tuple[str, str], str] = {}
        """The run that was begun last in each session, which is the only one that may still end."""

    def teardown(self) -> None:
        self.runner.run(self.database.close())
        self.runner.close()
        shutil.rmtree(self.folder)

    @rule(seconds=st.sampled_from([1, 1, -1]))
    def time_passes(self, seconds: int) -> None:
        self.clock.now += timedelta(seconds=seconds)

    @initialize(target=files)
    def keep_something(self) -> AttachmentPart:
        return self.keep(b"a")

    @rule(target=files, data=st.sampled_from([b"a", b"b"]))
    def keep(self, data: bytes) -> AttachmentPart:
        kept = self.runner.run(self.file_store.keep(NewFile("f", "text/plain", data)))
        self.model.keep(kept)
        return kept

    @rule(user=USERS, title=TEXTS)
    def create(self, user: str, title: str) -> None:
        created = self.runner.run(self.store.create_session(user, title))
        self.model.touch(user, created.id, title, self.clock.now)
        assert created == self.model.session(user, created.id)

    @rule(
        target=turns,
        user=USERS,
        name=NAMES_OR_NONE,
        title=TEXTS,
        text=TEXTS,
        files=st.lists(files, max_size=2).map(tuple),
        reply=REPLIES,
    )
    def ask(
        self,
        user: str,
        name: str | None,
        title: str,
        text: str,
        files: tuple[AttachmentPart, ...],
        reply: Reply | None,
    ) -> Turns:
        is_new = (user, name) not in self.model.sessions
        parts = (TextPart(text), *files)
        turn = self.runner.run(self.store.open_turn(user, name, title=title, parts=parts, context={title: text}))
        assert name in {None, turn.session.id}
        assert turn.created is is_new
        session = self.model.touch(user, turn.session.id, title, self.clock.now)
        session.supersede()
        self.model.say(session, turn.message)
        assert turn.session == self.model.session(user, turn.session.id)
        assert list(turn.history) == session.messages
        assert (turn.message.parts, turn.message.context) == (parts, {title: text})
        return self.followed(turn, reply)

    @rule(target=turns, user=USERS, name=NAMES, reply=REPLIES)
    def ask_again(self, user: str, name: str, reply: Reply | None) -> Turns:
        session = self.model.sessions.get((user, name))
        reopening = self.store.reopen_turn(user, name)
        if session is None or not session.asked:
            self.refused(reopening, NotFound if session is None else Conflict)
            return multiple()
        turn = self.runner.run(reopening)
        self.model.touch(user, name, "", self.clock.now).supersede()
        assert turn.session == self.model.session(user, name)
        assert list(turn.history) == session.messages[: session.asked]
        assert list(turn.replaces) == [message.id for message in session.messages[session.asked :]]
        return self.followed(turn, reply)

    @rule(turn=consumes(turns), text=TEXTS, file=files)
    def answer(self, turn: OpenedTurn, text: str, file: AttachmentPart) -> None:
        self.close(turn, answer(ToolResultPart("c", "t", text, files=(file,)), text))

    def followed(self, turn: OpenedTurn, reply: Reply | None) -> Turns:
        """The turn, unless its answer is here already."""
        self.under_way[turn.session.user_id, turn.session.id] = turn.run_id
        if reply is None:
            return turn
        if not reply.calls:
            self.close(turn, answer(reply.text))
            return multiple()
        message = approval_of_calls(*sorted(reply.calls), expires_at=self.clock.now + timedelta(seconds=reply.seconds))
        self.close(turn, message)
        self.asked.append((turn.session.user_id, turn.session.id, message.id))
        return multiple()

    def close(self, turn: OpenedTurn, reply: Message) -> None:
        place = turn.session.user_id, turn.session.id
        session = self.model.sessions.get(place)
        expected = session is not None and turn.message.id in {message.id for message in session.messages}
        if expected and self.under_way.get(place) != turn.run_id:
            self.refused(self.store.close_turn(turn, reply), TakenOver)
            return
        assert self.runner.run(self.store.close_turn(turn, reply)) is expected

        if session is not None and expected:
            replaced = [message for message in session.messages if message.id in turn.replaces]
            session.messages = [message for message in session.messages if message.id not in turn.replaces]
            session.updated_at = self.clock.now
            self.model.forget(replaced)
            self.model.say(session, reply)

    @precondition(lambda self: self.asked)
    @rule(
        target=turns,
        ago=st.sampled_from([1, 1, 1, 2, 3]),
        elsewhere=st.sampled_from([None, None, None, ("1", None), ("2", None), ("1", "b")]),
        approved=st.booleans(),
        calls=st.none() | st.frozensets(CALLS),
        reply=REPLIES,
    )
    def decide(
        self,
        ago: int,
        elsewhere: tuple[str, str | None] | None,
        approved: bool,
        calls: frozenset[str] | None,
        reply: Reply | None,
    ) -> Turns:
        user, name, approval_id = self.asked[-min(ago, len(self.asked))]
        user, session_name = elsewhere or (user, name)
        decision = Decision(approval_id, approved, calls)
        deciding = self.store.decide_turn(user, session_name, decision)
        found = self.model.approval(user, session_name, approval_id)
        if found is None:
            self.refused(deciding, NotFound)
            return multiple()
        session_id, place, approval = found
        known = [call.call_id for call in approval.calls]
        wanted = tuple(call for call in known if decision.approves(call))
        if approval.status is not ApprovalStatus.PENDING:
            self.refused(deciding, Conflict)
        elif approved and calls and not calls <= set(known):
            self.refused(deciding, InvalidRequest)
        elif wanted and self.clock.now >= approval.expires_at:
            self.refused(deciding, Conflict)
        else:
            turn = self.runner.run(deciding)
            session = self.model.touch(user, session_id, "", self.clock.now)
            session.settle(place, ApprovalStatus.APPROVED if wanted else ApprovalStatus.DENIED, wanted)
            assert turn.session == self.model.session(user, session_id)
            assert list(turn.history) == session.messages[: place + 1]
            return self.followed(turn, reply)
        return multiple()

    @rule(user=USERS, name=NAMES, title=TEXTS)
    def rename(self, user: str, name: str, title: str) -> None:
        renaming = self.store.rename_session(user, name, title)
        if (user, name) not in self.model.sessions:
            self.refused(renaming, NotFound)
            return
        renamed = self.runner.run(renaming)
        self.model.touch(user, name, title, self.clock.now).title = shown_title(title)
        assert renamed == self.model.session(user, name)

    @rule(user=USERS, name=NAMES, title=TEXTS, instead_of=st.none() | TEXTS)
    def set_title(self, user: str, name: str, title: str, instead_of: str | None) -> None:
        session = self.model.sessions.get((user, name))
        present = session.title if session is not None else ""
        setting = self.store.set_title(user, name, title, instead_of=present if instead_of is None else instead_of)
        if session is None:
            self.refused(setting, NotFound)
            return
        expected = instead_of is None or shown_title(instead_of) == present
        assert self.runner.run(setting) is expected
        if expected:
            session.title = shown_title(title)

    @rule(user=USERS, name=NAMES, keeping=st.booleans())
    def delete(self, user: str, name: str, keeping: bool) -> None:
        removing = self.store.clear_messages(user, name) if keeping else self.store.delete_session(user, name)
        if (user, name) not in self.model.sessions:
            self.refused(removing, NotFound)
            return
        self.runner.run(removing)
        gone = self.model.clear(user, name, self.clock.now) if keeping else self.model.remove(user, name)
        self.model.forget(gone)

    @rule(user=st.sampled_from("22221"))
    def erase(self, user: str) -> None:
        self.runner.run(self.store.erase(user))
        self.model.forget([message for name in self.model.known(user) for message in self.model.remove(user, name)])

    @rule(user=USERS, name=NAMES, page=st.integers(1, 3), newest=st.booleans(), limit=st.integers(1, 3), query=TEXTS)
    def look(self, user: str, name: str, page: int, newest: bool, limit: int, query: str) -> None:
        known = self.model.known(user)
        listed = self.runner.run(self.store.list_sessions(user, page=page, limit=limit))
        shown = tuple(self.model.session(user, one) for one in known[(page - 1) * limit :][:limit])
        assert listed == Page(shown, page, limit, len(known))
        found = self.runner.run(self.store.find_sessions(user, query, page=page, limit=limit))
        having = [one for one in known if self.model.sessions[user, one].has(query)]
        assert [hit.session.id for hit in found.items] == having[(page - 1) * limit :][:limit]
        assert found.total == len(having)
        session = self.model.sessions.get((user, name))
        listing = self.store.list_messages(user, name, page=None if newest else page, limit=limit)
        if session is None:
            self.refused(listing, NotFound)
            return
        said = session.messages
        some = said[-limit:] if newest else said[(page - 1) * limit :][:limit]
        assert self.runner.run(listing) == Page(tuple(some), 1 if newest else page, limit, len(said))

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        for user in "12":
            known = self.model.known(user)
            listed = self.runner.run(self.store.list_sessions(user, page=1, limit=100))
            assert [session.id for session in listed.items] == known
            for name in known:
                said = self.runner.run(all_messages(self.store, user, name))
                assert list(said) == self.model.sessions[user, name].messages

    @invariant()
    def what_is_counted_is_what_is_there(self) -> None:
        found = self.runner.run(rows(self.database, "SELECT session_pk, position FROM messages ORDER BY pk"))
        sessions = self.runner.run(rows(self.database, "SELECT pk, message_count FROM sessions"))
        for pk, counted in sessions:
            assert [position for session, position in found if session == pk] == [*range(1, counted + 1)]
        owners = dict(self.runner.run(rows(self.database, "SELECT user_id, session_count FROM owners")))
        for user in "12":
            assert owners.get(user, 0) == len(self.model.known(user))

    @invariant()
    def the_contents_are_those_that_somebody_refers_to(self) -> None:
        assert set(self.runner.run(column(self.database, "SELECT sha256 FROM blobs"))) == self.model.contents

    def refused(self, call: Coroutine[Any, Any, object], error: type[ChatError]) -> None:
        with pytest.raises(error):
            self.runner.run(call)


class ConversationsInFile(Conversations):
    """On SQLite."""


class ConversationsOnServer(Conversations):
    """On PostgreSQL."""


_settings = settings(
    max_examples=30,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
)


class TestConversationsInFile(ConversationsInFile.TestCase):
    settings = _settings

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _each_run_begins_with_an_empty_database(cls, migrated_database: Path) -> None:
        def copy(folder: Path) -> str:
            shutil.copyfile(migrated_database, folder / "chat.db")
            return f"sqlite:///{folder}/chat.db"

        ConversationsInFile.new_database = staticmethod(copy)


@pytest.mark.thorough
class TestConversationsOnServer(ConversationsOnServer.TestCase):
    settings = _settings

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _each_run_begins_with_an_empty_database(cls, postgres: PostgresServer, migrated_postgres: str) -> None:
        ConversationsOnServer.new_database = staticmethod(lambda _folder: postgres.create(template=migrated_postgres))
