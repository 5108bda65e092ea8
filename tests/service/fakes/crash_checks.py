"""Every promise, compared with the client's journal after a crash."""

from __future__ import annotations

import json
from typing import Any

import aiohttp

from fakes.crash_journal import Conversation, Fate, Journal, Question

SECONDS_THAT_MAY_BE_LOST = 1.0
SLACK = 0.5
"""For what a busy machine adds to the second: the write itself, and the way to the reader and back."""
_ENDS = (
    "[interrupted:theservicewasrestarted]",
    "t__record,t__record_asked",
    "</tool_output>",
    "`t__record_asked`",
    "[Denied;nothingran.]",
    "[Notapproved:theconversationwenton;nothingran.]",
)
"""Without blanks: how the mock provider ends an answer, and how the service ends what is none or only a part."""

Messages = list[dict[str, Any]]


class Checks:
    """One look at a server that was started again."""

    def __init__(self, client: aiohttp.ClientSession, url: str, killed_at: float, executions: set[str]) -> None:
        self._client = client
        self._url = url
        self._killed_at = killed_at
        self._executions = executions

    async def all_of(self, journal: Journal) -> None:
        """Check what may have changed since the last look, and settle what was not known."""
        for conversation in journal.conversations:
            await self._check(conversation)
        journal.conversations[:] = [each for each in journal.conversations if each.deleted is Fate.NOT_ASKED]

    async def _check(self, conversation: Conversation) -> None:
        status, messages = await self._history(conversation)
        if conversation.deleted is Fate.DONE:
            assert status == 404, (conversation, messages)
            return
        if status == 404:
            acknowledged = [question for question in conversation.questions if question.stored is Fate.DONE]
            assert conversation.deleted is Fate.UNKNOWN or not (acknowledged or conversation.cleared), conversation
            conversation.deleted = Fate.DONE
            return
        assert status == 200, messages
        # A deletion that was not carried out: all must be there.
        conversation.deleted = Fate.NOT_ASKED
        self._settle_clearing(conversation, messages)
        said = json.dumps(messages)
        assert not [token for token in conversation.cleared if token in said], (conversation, messages)
        for question in list(conversation.questions):
            await self._check_question(conversation, question, messages)
        self._check_order(conversation, messages)
        await self._check_approval(conversation, messages)

    async def _history(self, conversation: Conversation) -> tuple[int, Messages]:
        path = f"{self._url}/sessions/{conversation.id}/messages?limit=100"
        async with self._client.get(path, headers={"X-User-ID": conversation.user}) as response:
            return response.status, (await response.json()).get("messages", [])

    def _settle_clearing(self, conversation: Conversation, messages: Messages) -> None:
        if conversation.clearing is Fate.UNKNOWN and not messages:
            conversation.cleared += [question.token for question in conversation.questions]
            conversation.questions.clear()
            conversation.pending = None
        conversation.clearing = Fate.NOT_ASKED

    async def _check_question(self, conversation: Conversation, question: Question, messages: Messages) -> None:
        places = [place for place, each in enumerate(messages) if _asks(each) and question.token in each["content"]]
        if not places and question.stored is Fate.UNKNOWN:
            conversation.questions.remove(question)
            return
        assert len(places) == 1, (question, messages)
        if question.stored is Fate.UNKNOWN:
            # A question that was stored has denied what waited.
            conversation.pending = None
        question.stored = Fate.DONE
        if question.file is not None:
            await self._check_file(conversation, question, messages[places[0]]["attachments"])
        answers = _until_next_question(messages[places[0] + 1 :])
        assert answers, (question, messages)
        self._check_answers(question, answers)
        if question.approved is not None:
            # More than once is looked for among all that ran.
            assert (question.execution in self._executions) is question.approved, (question, answers)
        if question.execution in self._executions:
            # A question whose answer never began is asked once more with the next one.
            told = [each for each in messages if not _asks(each)]
            assert question.execution in json.dumps(told), (question, messages)

    async def _check_file(self, conversation: Conversation, question: Question, attachments: Messages) -> None:
        """What was sent can be had again: asked for after the first crash alone, and in the end all are looked at."""
        (attachment,) = attachments
        if question.file_read:
            return
        path = f"{self._url}/attachments/{attachment['id']}"
        async with self._client.get(path, headers={"X-User-ID": conversation.user}) as response:
            assert (response.status, await response.text()) == (200, question.file), question
        question.file_read = True

    def _check_answers(self, question: Question, answers: Messages) -> None:
        shown = "".join("".join(answer["content"] for answer in answers).split())
        whole = bool(question.heard) and question.heard[-1].terminal == "done"
        for heard in question.heard[-1:]:
            until = self._killed_at - (0 if whole else SECONDS_THAT_MAY_BE_LOST + SLACK)
            assert heard.text(until) in shown, (question, answers)
        # What does not end as an answer ends says that it was interrupted.
        assert shown.endswith(_ENDS), (question, answers)
        # Told once: nothing was stored twice.
        assert shown.count(question.token) <= 1, (question, answers)
        if not whole:
            question.heard.clear()

    def _check_order(self, conversation: Conversation, messages: Messages) -> None:
        asked = [each["content"].split()[0] for each in messages if _asks(each)]
        assert asked == [question.token for question in conversation.questions], (conversation, messages)

    async def _check_approval(self, conversation: Conversation, messages: Messages) -> None:
        waiting = [each["approval_request"]["request_id"] for each in messages if "approval_request" in each]
        pending = conversation.pending
        if pending is not None and pending.decided is Fate.NOT_ASKED and waiting != [pending.request_id]:
            # Only another answer in its place, of which the journal knows nothing yet, may have taken it away.
            raise AssertionError((conversation, messages))
        if pending is not None and pending.decided is Fate.DONE:
            assert waiting == [], (conversation, messages)
            path = f"{self._url}/sessions/{conversation.id}/approvals/{pending.request_id}"
            headers = {"X-User-ID": conversation.user}
            async with self._client.post(path, json={"approved": True}, headers=headers) as response:
                assert response.status == 409, await response.text()
            conversation.pending = None
        elif pending is not None and pending.decided is Fate.UNKNOWN and waiting == []:
            conversation.pending = None
        elif pending is not None:
            pending.decided = Fate.NOT_ASKED
        assert len(waiting) <= 1, (conversation, messages)


def _asks(message: dict[str, Any]) -> bool:
    return bool(message["role"] == "user")


def _until_next_question(messages: Messages) -> Messages:
    for place, message in enumerate(messages):
        if _asks(message):
            return messages[:place]
    return messages
