"""A new session is named after its first answer, and never in the way of anything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from aichat_backend.app import Stores
from aichat_backend.chat.assistant import Assistant
from aichat_backend.chat.parts import Usage, text_of
from aichat_backend.chat.titles import UNTITLED, dated_title, is_own_title
from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.mock import MockProvider
from fakes.assistants import answering
from fakes.backend import eventually
from fakes.scripted import Call, ScriptedProvider


@pytest.fixture
async def naming(stores: Stores, provider: ScriptedProvider) -> AsyncIterator[Assistant]:
    async with answering(stores, provider, titles=True) as assistant:
        yield assistant


async def exchange(assistant: Assistant, provider: ScriptedProvider, session_id: str = "s") -> None:
    """A question and its answer."""
    run = await assistant.ask("1", session_id, "Why is db1 slow?", {})
    answer = await provider.asked()
    answer.say("A missing index.")
    answer.finish(Usage(100, 10))
    await run.ended()


def title_request(call: Call) -> str:
    return text_of(call.request.messages[0].parts)


async def title(stores: Stores, session_id: str = "s") -> str:
    return (await stores.conversations.get_session("1", session_id)).title


async def until_named(assistant: Assistant) -> None:
    await eventually(lambda: not assistant._naming)


async def test_the_mock_provider_names_a_session_by_the_first_words_of_its_question(stores: Stores) -> None:
    async with answering(stores, MockProvider(delay=0), titles=True) as assistant:
        run = await assistant.ask("1", "s", "Why is db1 slow today?\nuse nothing", {})
        await run.ended()
        await until_named(assistant)

    assert await title(stores) == "Why is db1 slow today? use"


async def test_the_model_names_a_session_from_its_first_exchange(
    naming: Assistant, provider: ScriptedProvider, stores: Stores
) -> None:
    await exchange(naming, provider)
    call = await provider.asked()
    call.say('\n**"Slow db1: missing index."**\n', "More words.")
    call.finish(Usage(30, 5))
    await until_named(naming)

    assert title_request(call) == "User: Why is db1 slow?\n\nAssistant: A missing index."
    assert await title(stores) == "Slow db1: missing index"
    assert await stores.usage.spent_today("1") == 110 + 35
    (today,) = await stores.usage.by_day("1")
    assert today.answers == 1, "a title is none"


async def test_no_title_is_made_of_messages_that_were_cleared(
    naming: Assistant, provider: ScriptedProvider, stores: Stores
) -> None:
    await exchange(naming, provider)
    call = await provider.asked()
    before = await title(stores)

    await naming.clear_messages("1", "s")
    call.say("Said in confidence")
    call.finish()
    await until_named(naming)

    assert call.left.is_set()
    assert await title(stores) == before


async def test_the_naming_of_a_session_ends_with_it_and_no_other(
    naming: Assistant, provider: ScriptedProvider, stores: Stores
) -> None:
    await exchange(naming, provider, "s")
    gone = await provider.asked()
    await exchange(naming, provider, "t")
    kept = await provider.asked()

    await naming.delete_session("1", "s")
    assert gone.left.is_set()
    kept.say("Named")
    kept.finish()
    await until_named(naming)

    assert await title(stores, "t") == "Named"


async def test_a_title_that_the_provider_did_not_count_is_estimated(
    naming: Assistant, provider: ScriptedProvider, stores: Stores
) -> None:
    await exchange(naming, provider)
    call = await provider.asked()
    call.say("Slow db1")
    call.finish()
    await until_named(naming)

    assert 110 + 50 < await stores.usage.spent_today("1") < 110 + 200


async def test_later_exchanges_do_not_rename(naming: Assistant, provider: ScriptedProvider, stores: Stores) -> None:
    await exchange(naming, provider)
    call = await provider.asked()
    call.say("Named")
    call.finish()
    await until_named(naming)
    await exchange(naming, provider)

    assert len(provider.calls) == 3
    assert await title(stores) == "Named"


async def test_a_title_that_the_user_gives_meanwhile_stays(
    naming: Assistant, provider: ScriptedProvider, stores: Stores
) -> None:
    await exchange(naming, provider)
    call = await provider.asked()
    await stores.conversations.rename_session("1", "s", "Mine")
    call.say("Named")
    call.finish()
    await until_named(naming)

    assert await title(stores) == "Mine"


async def test_a_session_that_was_made_with_a_title_keeps_it(
    naming: Assistant, provider: ScriptedProvider, stores: Stores
) -> None:
    session = await stores.conversations.create_session("1", "Mine")
    await exchange(naming, provider, session.id)

    assert not naming._naming
    assert await title(stores, session.id) == "Mine"


async def test_a_session_that_was_made_without_one_is_named(
    naming: Assistant, provider: ScriptedProvider, stores: Stores
) -> None:
    session = await stores.conversations.create_session("1", UNTITLED)
    await exchange(naming, provider, session.id)
    call = await provider.asked()
    call.say("Named")
    call.finish()
    await until_named(naming)

    assert await title(stores, session.id) == "Named"


@pytest.mark.parametrize("words", ["", "  \n", '""', "x" * 500, "a\0b\x1b[31m"])
async def test_whatever_the_model_says_the_title_is_short_and_printable(
    naming: Assistant, provider: ScriptedProvider, stores: Stores, words: str
) -> None:
    await exchange(naming, provider)
    call = await provider.asked()
    call.say(words) if words else None
    call.finish()
    await until_named(naming)

    named = await title(stores)
    assert named.isprintable()
    assert 0 < len(named) <= 80


async def test_a_failure_leaves_the_dated_title(naming: Assistant, provider: ScriptedProvider, stores: Stores) -> None:
    await exchange(naming, provider)
    (await provider.asked()).fail(ProviderError(ProviderFailure.RATE_LIMITED, "slow down"))
    await until_named(naming)

    assert not is_own_title(await title(stores))


async def test_a_service_that_stops_does_not_wait_for_a_title(
    naming: Assistant, provider: ScriptedProvider, stores: Stores
) -> None:
    await exchange(naming, provider)
    call = await provider.asked()
    await naming.drain(10)

    assert call.left.is_set()
    assert not is_own_title(await title(stores))


def test_titles_of_our_own_are_known() -> None:
    assert not is_own_title(UNTITLED)
    assert not is_own_title(dated_title(datetime(2026, 1, 2, 3, 4, tzinfo=UTC)))
    assert is_own_title("Chat of mine")
