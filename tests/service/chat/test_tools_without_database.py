"""No tool runs while the database is away; the answer goes on, and says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from aichat_backend.app import Stores
from aichat_backend.chat.approvals import Decision
from aichat_backend.chat.assistant import Assistant
from aichat_backend.chat.audit import AuditAction
from aichat_backend.chat.conversation import Message
from aichat_backend.chat.executions import NOT_NOTED
from aichat_backend.chat.insisting import Patience
from aichat_backend.chat.parts import Part, TextPart, ToolCallPart, ToolResultPart
from aichat_backend.chat.runs import Run
from aichat_backend.chat.tools import ToolPolicy
from fakes.assistants import HERE, answering, stores_at
from fakes.backend import eventually
from fakes.conversations import all_messages
from fakes.postgres import postgres_server
from fakes.reading import events_of
from fakes.scripted import ScriptedProvider
from fakes.toolbox import FakeToolbox, tool

QUICK = Patience(first_pause=0.05, longest_pause=0.05)
TOOLS = [tool("look_up", policy=ToolPolicy.AUTO), tool("drop")]


@dataclass
class Place:
    """A database that can be taken away."""

    url: str
    take_away: Callable[[], object]
    bring_back: Callable[[], object]


@pytest.fixture
def file(path: Path) -> Place:
    elsewhere = path.with_name("elsewhere.db")
    return Place(f"sqlite:///{path}", lambda: path.rename(elsewhere), lambda: elsewhere.rename(path))


@pytest.fixture
def server() -> Iterator[Place]:
    with postgres_server(durable=True) as server:
        yield Place(server.create(), server.stop, server.start)


@pytest.fixture(
    params=["file", pytest.param("server", marks=[pytest.mark.thorough, pytest.mark.starts_processes])],
)
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def stores(place: Place) -> AsyncIterator[Stores]:
    async with stores_at(place.url, HERE) as stores:
        yield stores


@pytest.fixture
def toolbox() -> FakeToolbox:
    return FakeToolbox(list(TOOLS))


@pytest.fixture
async def assistant(stores: Stores, provider: ScriptedProvider, toolbox: FakeToolbox) -> AsyncIterator[Assistant]:
    async with answering(stores, provider, toolbox=toolbox, patience=QUICK) as assistant:
        yield assistant


async def go_on_without_a_database(run: Run, place: Place, provider: ScriptedProvider, said: str) -> None:
    """Hear what became of the call, say something, and end when the database is back."""
    call = await provider.asked()
    assert any(NOT_NOTED in part.text for part in call.request.messages[-1].parts if isinstance(part, ToolResultPart))
    call.say(said)
    call.finish()
    await eventually(lambda: any(said in event.data.get("content", "") for event in events_of(run.log.after(0))))
    await asyncio.to_thread(place.bring_back)
    async with asyncio.timeout(30):
        await run.ended()


async def test_a_tool_does_not_run_and_the_answer_goes_on(
    assistant: Assistant, stores: Stores, place: Place, provider: ScriptedProvider, toolbox: FakeToolbox
) -> None:
    run = await assistant.ask("1", "s", "Why?", {})
    call = await provider.asked()
    call.say("I look.")
    await asyncio.to_thread(place.take_away)
    call.use("c", "look_up")
    call.finish()
    await go_on_without_a_database(run, place, provider, "I could not look.")

    assert toolbox.calls == []
    assert await stores.audit.entries() == ()
    (_, answer) = await all_messages(stores.conversations, "1", "s")
    assert told(answer) == ["I look.", "c", NOT_NOTED, "I could not look."]


async def test_nor_does_what_the_user_has_approved(
    assistant: Assistant, stores: Stores, place: Place, provider: ScriptedProvider, toolbox: FakeToolbox
) -> None:
    asking = await assistant.ask("1", "s", "Drop it.", {})
    call = await provider.asked()
    call.use("c", "drop")
    call.finish()
    await asking.ended()
    toolbox.on_the_way = asyncio.Event()
    (_, question) = await all_messages(stores.conversations, "1", "s")
    run = await assistant.decide("1", "s", Decision(question.id, approved=True))
    await eventually(lambda: len(toolbox.reached_for) > 0)
    await asyncio.to_thread(place.take_away)
    toolbox.on_the_way.set()
    await go_on_without_a_database(run, place, provider, "It is not dropped.")

    assert toolbox.calls == []
    assert [entry.action for entry in await stores.audit.entries()] == [AuditAction.APPROVED]
    assert told((await all_messages(stores.conversations, "1", "s"))[-1]) == [NOT_NOTED, "It is not dropped."]


def told(message: Message) -> list[str]:
    return [_told(part) for part in message.parts]


def _told(part: Part) -> str:
    match part:
        case TextPart() | ToolResultPart():
            return part.text
        case ToolCallPart():
            return part.id
        case _:
            raise AssertionError(part)
