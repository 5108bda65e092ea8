"""Users who chat, use tools, approve, upload and delete, until the server dies under them."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from time import monotonic
from typing import Any

import aiohttp

from fakes.crash_journal import Conversation, Fate, Heard, Journal, Pending, Question

TOOL, ASKED_TOOL = "t__record", "t__record_asked"
TALK = ("plain", "plain", "file")
WORK = (*TALK, "tool", "asked")
"""Kinds of questions. What leads to a tool is kept at once, and all other answers with it."""

_MOST_CONVERSATIONS = 5
_numbers = count()


class User:
    """One user, who does one thing after the other."""

    def __init__(self, id_: str, journal: Journal, chance: random.Random) -> None:
        self.id = id_
        self._journal = journal
        self._chance = chance
        self._kinds: Sequence[str] = WORK

    async def chat(self, url: str, kinds: Sequence[str]) -> None:
        """Go on until the server is gone."""
        self._kinds = kinds
        async with self._connected(url) as wire:
            try:
                while True:
                    await self._do_something(wire)
            except (aiohttp.ClientError, asyncio.IncompleteReadError, ConnectionError):
                return

    async def ask_for_a_call(self, url: str) -> None:
        """Ask for a call, and leave it waiting for approval. The tools must be there."""
        conversation = self._new()
        async with self._connected(url) as wire:
            await self._ask(wire, conversation, "asked")
        assert conversation.pending is not None, conversation

    async def approve_what_waits(self, url: str) -> None:
        """Approve every call that waits, and hear what comes of it."""
        async with self._connected(url) as wire:
            for conversation in self._journal.alive(self.id):
                while conversation.pending is not None and conversation.pending.decided is Fate.NOT_ASKED:
                    await self._decide(wire, conversation, approved=True)

    @asynccontextmanager
    async def _connected(self, url: str) -> AsyncIterator[_Wire]:
        async with aiohttp.ClientSession(headers={"X-User-ID": self.id}) as client:
            yield _Wire(client, url)

    async def _do_something(self, wire: _Wire) -> None:
        alive = self._journal.alive(self.id)
        known = self._chance.choice(alive) if alive and self._chance.random() < 0.7 else None
        if known is not None and known.pending is not None and known.pending.decided is Fate.NOT_ASKED:
            if self._chance.random() < 0.6:
                await self._decide(wire, known, approved=self._chance.random() < 0.8)
            return
        if known is not None and (self._chance.random() < 0.15 or len(alive) > _MOST_CONVERSATIONS):
            await (self._delete(wire, known) if self._chance.random() < 0.7 else self._clear(wire, known))
        elif known is not None and _may_ask_again(known) and self._chance.random() < 0.3:
            await self._ask_again(wire, known)
        else:
            await self._ask(wire, known or self._new(), self._chance.choice(self._kinds))

    def _new(self) -> Conversation:
        made = Conversation(self.id, f"c{next(_numbers)}")
        self._journal.conversations.append(made)
        return made

    async def _ask(self, wire: _Wire, conversation: Conversation, kind: str) -> None:
        token = f"q{next(_numbers)}q"
        question = Question(token, Fate.UNKNOWN)
        words = " ".join("word" for _ in range(self._chance.choice([1, 20, 300])))
        text = f"{token} {words}"
        if kind in ("tool", "asked"):
            question.execution = f"e{next(_numbers)}"
            question.waits = kind == "asked"
            text += f'\nuse {TOOL if kind == "tool" else ASKED_TOOL} {{"id": "{question.execution}"}}'
        elif kind == "file":
            question.file = f"contents {next(_numbers)}"
        conversation.questions.append(question)
        accepted = await wire.send(text, conversation.id, question.file)
        question.stored = Fate.DONE
        conversation.pending = None
        await self._follow(wire, conversation, question, accepted["stream_id"])

    async def _ask_again(self, wire: _Wire, conversation: Conversation) -> None:
        question = conversation.questions[-1]
        accepted = await wire.call("POST", f"/sessions/{conversation.id}/regenerate?streaming=true")
        conversation.pending = None
        await self._follow(wire, conversation, question, accepted["stream_id"])

    async def _follow(self, wire: _Wire, conversation: Conversation, question: Question, stream_id: str) -> Heard:
        heard = Heard()
        question.heard.append(heard)
        async for event in wire.events(stream_id):
            match event["type"]:
                case "message":
                    heard.deltas.append((monotonic(), event["content"]))
                case "tool_approval_request":
                    conversation.pending = Pending(event["request_id"])
                case "done" | "error":
                    heard.terminal = event["type"]
        return heard

    async def _decide(self, wire: _Wire, conversation: Conversation, *, approved: bool) -> None:
        pending = conversation.pending
        assert pending is not None
        pending.decided = Fate.UNKNOWN
        path = f"/sessions/{conversation.id}/approvals/{pending.request_id}?streaming=true"
        accepted = await wire.call("POST", path, {"approved": approved})
        pending.decided = Fate.DONE
        question = conversation.questions[-1]
        heard = await self._follow(wire, conversation, question, accepted["stream_id"])
        if heard.terminal != "done":
            # The tools could not be reached: the approval waits again.
            pending.decided = Fate.NOT_ASKED
        elif question.waits:
            # Otherwise the call was of a question before, which was asked once more together with this one.
            question.approved = approved

    async def _delete(self, wire: _Wire, conversation: Conversation) -> None:
        conversation.deleted = Fate.UNKNOWN
        await wire.call("DELETE", f"/sessions/{conversation.id}")
        conversation.deleted = Fate.DONE

    async def _clear(self, wire: _Wire, conversation: Conversation) -> None:
        conversation.clearing = Fate.UNKNOWN
        await wire.call("DELETE", f"/sessions/{conversation.id}/messages")
        conversation.clearing = Fate.NOT_ASKED
        conversation.cleared += [question.token for question in conversation.questions]
        conversation.questions.clear()
        conversation.pending = None


def _may_ask_again(conversation: Conversation) -> bool:
    """Another answer would call the tool again, as it should; also one of a question before, if that has no answer."""
    asked = conversation.questions
    return bool(asked) and all(question.execution is None for question in asked)


class _Wire:
    """The calls of one user."""

    def __init__(self, client: aiohttp.ClientSession, url: str) -> None:
        self._client = client
        self._url = url

    async def call(self, method: str, path: str, body: object = None) -> Any:
        async with self._client.request(method, self._url + path, json=body) as response:
            told = await response.json()
            assert response.status == 200, (path, told)
            return told

    async def send(self, text: str, session_id: str, file: str | None) -> Any:
        if file is None:
            return await self.call("POST", "/send?streaming=true", {"message": text, "session_id": session_id})
        form = aiohttp.FormData({"message": text, "session_id": session_id}, default_to_multipart=True)
        form.add_field("file0", file.encode(), filename="f.txt", content_type="text/plain")
        async with self._client.post(f"{self._url}/send-with-files?streaming=true", data=form) as response:
            told = await response.json()
            assert response.status == 200, told
            return told

    async def events(self, stream_id: str) -> AsyncIterator[dict[str, Any]]:
        async with self._client.get(f"{self._url}/stream/{stream_id}") as response:
            assert response.status == 200
            async for line in response.content:
                if line.startswith(b"data: "):
                    yield json.loads(line.removeprefix(b"data: "))


@asynccontextmanager
async def chatting(users: list[User], url: str, kinds: Sequence[str]) -> AsyncIterator[None]:
    """Let them chat meanwhile, and in the end wait until each has noticed that the server is gone."""
    async with asyncio.TaskGroup() as group:
        for user in users:
            group.create_task(user.chat(url, kinds))
        yield
