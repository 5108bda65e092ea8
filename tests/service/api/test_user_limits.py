"""What one user may do: so many messages, answers and tokens, and 429 beyond."""

from __future__ import annotations

import asyncio

from msgspec import structs

from aichat_backend.chat.parts import Usage
from aichat_backend.config.settings import Settings
from fakes.backend import Backend, running_backend
from fakes.contract import assert_error
from fakes.scripted import ScriptedProvider


def changed(settings: Settings, **values: object) -> Settings:
    return structs.replace(settings, **values)


async def spend(backend: Backend, provider: ScriptedProvider, tokens: Usage) -> None:
    asking = asyncio.create_task(backend.user().post("/send", {"message": "Why?"}))
    call = await provider.asked()
    call.say("So.")
    call.finish(tokens)
    assert (await asking).status == 200


async def test_a_flood_of_messages_is_refused_with_the_time_to_wait(settings: Settings) -> None:
    async with running_backend(changed(settings, max_messages_per_minute=3)) as backend:
        answers = [await backend.user().post("/send", {"message": "Why?"}) for _ in range(5)]
        other = await backend.user("2").post("/send", {"message": "Why?"})

    assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
    assert_error(answers[-1], 429, "too_many_messages", "3 messages in a minute")
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    assert other.status == 200


async def test_a_refused_message_leaves_nothing_behind(settings: Settings) -> None:
    async with running_backend(changed(settings, max_messages_per_minute=1)) as backend:
        await backend.user().post("/send", {"message": "Why?"})
        await backend.user().post("/send", {"message": "Why?", "session_id": "refused"})

        assert (await backend.user().get("/sessions/refused")).status == 404


async def test_who_has_spent_the_day_s_tokens_is_told_when_the_next_day_comes(
    settings: Settings, provider: ScriptedProvider
) -> None:
    async with running_backend(changed(settings, max_tokens_per_day=1_000), provider) as backend:
        await spend(backend, provider, Usage(900, 99))
        await spend(backend, provider, Usage(0, 1))
        spent = await backend.user().post("/send", {"message": "Why?"})

        assert_error(spent, 429, "tokens_spent", "1000 tokens")
        assert 0 < int(spent.headers["Retry-After"]) <= 86_400
        assert len(provider.calls) == 2


async def test_who_stops_every_answer_spends_tokens_all_the_same(
    settings: Settings, provider: ScriptedProvider
) -> None:
    async with running_backend(changed(settings, max_tokens_per_day=1_000), provider) as backend:
        asked = await backend.user().ask("Why? " * 1_000)
        await provider.asked()
        assert (await backend.user().delete(f"/stream/{asked['stream_id']}")).status == 200

        assert_error(await backend.user().post("/send", {"message": "Why?"}), 429, "tokens_spent")


async def test_deleting_a_conversation_gives_no_tokens_back(settings: Settings, provider: ScriptedProvider) -> None:
    async with running_backend(changed(settings, max_tokens_per_day=1_000), provider) as backend:
        await spend(backend, provider, Usage(1_000, 0))
        (session,) = (await backend.user().get("/sessions")).json["sessions"]
        await backend.user().delete(f"/sessions/{session['id']}")

        assert_error(await backend.user().post("/send", {"message": "Why?"}), 429, "tokens_spent")


async def test_without_a_limit_tokens_are_only_counted(settings: Settings, provider: ScriptedProvider) -> None:
    async with running_backend(settings, provider) as backend:
        await spend(backend, provider, Usage(10_000_000, 10_000_000))
        await spend(backend, provider, Usage(1, 1))
