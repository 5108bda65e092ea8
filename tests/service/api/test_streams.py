"""`GET /stream/{id}`: the events of an answer, for any number of readers."""

from __future__ import annotations

from functools import partial

import pytest

from aichat_backend import app as wiring
from aichat_backend.api.sse import EventStreams
from aichat_backend.chat.assistant import Assistant
from aichat_backend.chat.finished_runs import FinishedRuns
from aichat_backend.config.settings import Settings
from aichat_backend.errors import ProviderError, ProviderFailure
from fakes.backend import Backend, Caller, eventually, running_backend
from fakes.contract import assert_error
from fakes.raw_http import connected
from fakes.reading import Frame, frames_of, text_of
from fakes.scripted import Call, ScriptedProvider


async def asking(backend: Backend, provider: ScriptedProvider) -> tuple[Caller, dict[str, str], Call]:
    user = backend.user()
    accepted = await user.ask()
    return user, accepted, await provider.asked()


def kinds(events: list[Frame]) -> list[str]:
    return [event.data["type"] for event in events]


async def test_a_whole_stream(user: Caller) -> None:
    accepted = await user.ask("Why is it slow?")
    answer = await user.get(f"/stream/{accepted['stream_id']}")

    events = answer.events
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert all(event.data["session_id"] == accepted["session_id"] for event in events)
    assert set(kinds(events[:-1])) == {"message"}
    assert events[-1].data == {"type": "done", "session_id": accepted["session_id"], "done": True}
    assert text_of(events) == (await user.messages(accepted["session_id"]))[-1]["content"]
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache, no-transform"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert frames_of(answer.body)[0].field("retry") == "3000"
    assert b"\nevent:" not in answer.body
    assert not answer.body.startswith(b"event:")


async def test_each_event_has_exactly_the_fields_that_say_something(
    scripted: Backend, provider: ScriptedProvider
) -> None:
    user, accepted, call = await asking(scripted, provider)
    call.think("Hm.")
    call.say("Line one\nLine two\r\n\u2028")
    call.finish()

    events = (await user.get(f"/stream/{accepted['stream_id']}")).events

    session = {"session_id": accepted["session_id"]}
    assert [event.data for event in events] == [
        {"type": "reasoning", "content": "Hm.", **session},
        {"type": "message", "content": "Line one\nLine two\r\n\u2028", **session},
        {"type": "done", "done": True, **session},
    ]


async def test_reasoning_is_not_part_of_the_answer(scripted: Backend, provider: ScriptedProvider) -> None:
    user, accepted, call = await asking(scripted, provider)
    call.think("They ask why.")
    call.say("Because.")
    call.finish()
    await user.get(f"/stream/{accepted['stream_id']}")

    assert (await user.messages(accepted["session_id"]))[-1]["content"] == "Because."


async def test_events_arrive_while_the_answer_is_made(scripted: Backend, provider: ScriptedProvider) -> None:
    user, accepted, call = await asking(scripted, provider)
    reader = await user.follow(accepted["stream_id"])

    for word in ("one", "two", "three"):
        call.say(word)
        assert (await reader.event()).data["content"] == word


async def test_while_it_runs_the_history_has_the_question_and_no_half_answer(
    scripted: Backend, provider: ScriptedProvider
) -> None:
    user, accepted, call = await asking(scripted, provider)
    reader = await user.follow(accepted["stream_id"])

    before_the_first_event = await user.messages(accepted["session_id"])
    call.say("Half")
    await reader.event()
    in_the_middle = await user.messages(accepted["session_id"])

    assert [message["role"] for message in before_the_first_event] == ["user"]
    assert in_the_middle == before_the_first_event


async def test_the_answer_is_stored_before_done_is_sent(scripted: Backend, provider: ScriptedProvider) -> None:
    user, accepted, call = await asking(scripted, provider)
    reader = await user.follow(accepted["stream_id"])
    call.say("All of it.")
    await reader.event()
    call.finish()

    assert (await reader.event()).data["type"] == "done"
    assert scripted.rows() == {"sessions": 1, "messages": 2}


async def test_every_reader_gets_every_event(scripted: Backend, provider: ScriptedProvider) -> None:
    user, accepted, call = await asking(scripted, provider)
    early = [await user.follow(accepted["stream_id"]) for _ in range(3)]
    call.say("one", "two")
    await early[0].event()
    late = await user.follow(accepted["stream_id"])
    call.finish()
    after_the_end = (await user.get(f"/stream/{accepted['stream_id']}")).events

    assert await early[0].rest() == after_the_end[1:]
    for reader in (*early[1:], late):
        assert await reader.rest() == after_the_end


async def test_a_reader_who_leaves_does_not_stop_the_answer(scripted: Backend, provider: ScriptedProvider) -> None:
    user, accepted, call = await asking(scripted, provider)
    leaving = await user.follow(accepted["stream_id"])
    call.say("one")
    await leaving.event()
    leaving.response.close()
    call.say("two")
    call.finish()

    events = (await user.get(f"/stream/{accepted['stream_id']}")).events

    assert text_of(events) == "onetwo"
    assert not call.left.is_set()


async def test_an_answer_is_made_without_any_reader(scripted: Backend, provider: ScriptedProvider) -> None:
    _, _, call = await asking(scripted, provider)
    call.say("Nobody listens.")
    call.finish()

    await eventually(lambda: scripted.rows()["messages"] == 2)


async def test_a_reader_who_does_not_read_holds_up_nobody(scripted: Backend, provider: ScriptedProvider) -> None:
    user, accepted, call = await asking(scripted, provider)
    path = f"/v1/chat/stream/{accepted['stream_id']}"
    async with connected(scripted, receive_buffer=4096) as idle:
        idle.send(f"GET {path} HTTP/1.1\r\nHost: x\r\nX-User-ID: 1\r\n\r\n".encode())
        brisk = await user.follow(accepted["stream_id"])
        more_than_any_buffer = 100
        for _ in range(more_than_any_buffer):
            call.say("x" * 50_000)
        call.finish()

        assert len(await brisk.rest()) == more_than_any_buffer + 1
        assert scripted.rows()["messages"] == 2


@pytest.mark.parametrize("last_event_id", ["", "0", "-1", "abc", "1.5", "²", "9" * 30, "1,2"])
async def test_a_last_event_id_that_makes_no_sense_means_the_start(
    scripted: Backend, provider: ScriptedProvider, last_event_id: str
) -> None:
    user, accepted, call = await asking(scripted, provider)
    call.say("one")
    call.finish()

    answer = await user.get(f"/stream/{accepted['stream_id']}", headers={"Last-Event-ID": last_event_id})

    assert [event.id for event in answer.events] == [1, 2]


async def test_reading_goes_on_after_any_event(scripted: Backend, provider: ScriptedProvider) -> None:
    user, accepted, call = await asking(scripted, provider)
    call.say(*"abcdefgh")
    call.finish()
    whole = (await user.get(f"/stream/{accepted['stream_id']}")).events

    for position in range(len(whole)):
        resumed = await user.follow(accepted["stream_id"], last_event_id=position)
        assert await resumed.rest() == whole[position:]


async def test_a_reader_who_has_everything_is_told_to_stop(scripted: Backend, provider: ScriptedProvider) -> None:
    user, accepted, call = await asking(scripted, provider)
    call.say("one")
    call.finish()
    await user.get(f"/stream/{accepted['stream_id']}")

    for position in ("2", "3", "999999999"):
        answer = await user.get(f"/stream/{accepted['stream_id']}", headers={"Last-Event-ID": position})
        assert (answer.status, answer.body) == (204, b"")


async def test_a_reader_ahead_of_a_running_stream_gets_what_is_new(
    scripted: Backend, provider: ScriptedProvider
) -> None:
    user, accepted, call = await asking(scripted, provider)
    reader = await user.follow(accepted["stream_id"], last_event_id=7)
    call.say("one")
    call.finish()

    assert [event.id for event in await reader.rest()] == [1, 2]


async def test_silence_is_filled_with_heartbeats(
    settings: Settings, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "EventStreams", partial(EventStreams, heartbeat=0.01))
    async with running_backend(settings, provider) as backend:
        user, accepted, call = await asking(backend, provider)
        reader = await user.follow(accepted["stream_id"])
        retry, *heartbeats = [await reader.frame() for _ in range(3)]
        call.say("one")
        event = await reader.event()

    assert retry.field("retry") == "3000"
    assert all(frame.is_comment for frame in heartbeats)
    assert event.data["content"] == "one"


async def test_a_finished_stream_expires(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "Assistant", partial(Assistant, finished_runs=FinishedRuns(seconds=0.05)))
    async with running_backend(settings) as backend:
        user = backend.user()
        accepted = await user.ask()
        answers = [await user.get(f"/stream/{accepted['stream_id']}")]
        while answers[-1].status == 200:
            answers.append(await user.get(f"/stream/{accepted['stream_id']}"))

    assert answers[0].status == 200
    assert_error(answers[-1], 404, "not_found")


@pytest.mark.parametrize("stream_id", ["unknown", "%00", "%ff", "a%2Fb", "x" * 500])
async def test_an_unknown_stream_is_missing(user: Caller, stream_id: str) -> None:
    assert_error(await user.get(f"/stream/{stream_id}"), 404, "not_found")
    assert_error(await user.delete(f"/stream/{stream_id}"), 404, "not_found")


async def test_stopping_keeps_what_was_said(scripted: Backend, provider: ScriptedProvider) -> None:
    user, accepted, call = await asking(scripted, provider)
    reader = await user.follow(accepted["stream_id"])
    call.say("Half an")
    await reader.event()

    stopped = await user.delete(f"/stream/{accepted['stream_id']}")

    assert (stopped.status, stopped.json.keys()) == (200, {"message"})
    assert kinds(await reader.rest()) == ["done"]
    assert call.left.is_set()
    answer = (await user.messages(accepted["session_id"]))[-1]
    assert (answer["role"], answer["content"]) == ("assistant", "Half an\n\n[stopped]")


async def test_stopping_before_the_first_word_leaves_the_question(
    scripted: Backend, provider: ScriptedProvider
) -> None:
    user, accepted, _ = await asking(scripted, provider)

    await user.delete(f"/stream/{accepted['stream_id']}")

    assert kinds((await user.get(f"/stream/{accepted['stream_id']}")).events) == ["done"]
    assert scripted.rows() == {"sessions": 1, "messages": 1}


async def test_stopping_what_has_ended_is_no_error(user: Caller) -> None:
    accepted = await user.ask()
    whole = await user.get(f"/stream/{accepted['stream_id']}")

    assert (await user.delete(f"/stream/{accepted['stream_id']}")).status == 200
    assert (await user.get(f"/stream/{accepted['stream_id']}")).body == whole.body


async def test_a_connection_that_breaks_while_being_stopped_is_no_failure(
    scripted: Backend, provider: ScriptedProvider
) -> None:
    provider.fails_when_left = ProviderError(ProviderFailure.UNAVAILABLE, "closed")
    user, accepted, call = await asking(scripted, provider)
    reader = await user.follow(accepted["stream_id"])
    call.say("Half")
    await reader.event()

    await user.delete(f"/stream/{accepted['stream_id']}")

    assert kinds(await reader.rest()) == ["done"]
    assert (await user.messages(accepted["session_id"]))[-1]["content"] == "Half\n\n[stopped]"


@pytest.mark.parametrize("below", ["", "/messages"])
async def test_deleting_and_clearing_in_the_middle_bring_nothing_back(
    scripted: Backend, provider: ScriptedProvider, below: str
) -> None:
    user, accepted, call = await asking(scripted, provider)
    reader = await user.follow(accepted["stream_id"])
    call.say("Half")
    await reader.event()

    deleted = await user.delete(f"/sessions/{accepted['session_id']}{below}")

    assert deleted.status == 200
    assert kinds(await reader.rest()) == ["done"]
    assert call.left.is_set()
    assert scripted.rows() == {"sessions": 1 if below else 0, "messages": 0}


async def test_the_session_id_of_a_deleted_session_can_be_used_at_once(
    scripted: Backend, provider: ScriptedProvider
) -> None:
    user = scripted.user()
    await user.ask("First", "chosen")
    await provider.asked()
    await user.delete("/sessions/chosen")

    again = await user.ask("Second", "chosen")
    call = await provider.asked()
    call.say("Yes.")
    call.finish()

    await user.get(f"/stream/{again['stream_id']}")
    assert [message["content"] for message in await user.messages("chosen")] == ["Second", "Yes."]
    assert len(call.request.messages) == 1
