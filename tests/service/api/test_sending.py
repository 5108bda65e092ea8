"""`POST /send`, with and without streaming."""

from __future__ import annotations

from fakes.backend import Backend, Caller
from fakes.contract import ID, INSTANT
from fakes.reading import text_of
from fakes.scripted import ScriptedProvider


async def test_a_question_gets_the_whole_answer(user: Caller) -> None:
    answer = await user.post("/send", {"message": "Why is it slow?"})

    assert answer.status == 200
    assert answer.json.keys() == {"message", "session_id"}
    message = answer.json["message"]
    assert message.keys() == {"id", "role", "content", "timestamp", "usage"}
    assert message["role"] == "assistant"
    assert "You said: Why is it slow?" in message["content"]
    assert message["usage"].keys() == {"input_tokens", "output_tokens"}
    assert INSTANT.fullmatch(message["timestamp"])
    assert ID.fullmatch(message["id"])
    assert ID.fullmatch(answer.json["session_id"])
    assert (await user.messages(answer.json["session_id"]))[-1] == message


async def test_a_streamed_question_gets_the_place_of_its_stream_and_the_real_session(user: Caller) -> None:
    answer = await user.post("/send?streaming=true", {"message": "Why?"})

    assert answer.status == 200
    assert answer.json.keys() == {"stream_id", "session_id", "stream_url"}
    assert ID.fullmatch(answer.json["stream_id"])
    assert answer.json["stream_url"] == f"/v1/chat/stream/{answer.json['stream_id']}"
    assert (await user.get(f"/sessions/{answer.json['session_id']}")).status == 200
    events = (await user.get(f"/stream/{answer.json['stream_id']}")).events
    assert "You said: Why?" in text_of(events)


async def test_the_conversation_reaches_the_model_again(user: Caller) -> None:
    first = (await user.post("/send", {"message": "My cat is Miu."})).json

    second = (await user.post("/send", {"message": "Her name?", "session_id": first["session_id"]})).json

    assert second["session_id"] == first["session_id"]
    assert "the first one was: My cat is Miu." in second["message"]["content"]
    history = await user.messages(first["session_id"])
    assert [message["role"] for message in history] == ["user", "assistant", "user", "assistant"]


async def test_the_page_s_context_reaches_the_model(scripted: Backend, provider: ScriptedProvider) -> None:
    body = {"message": "Why?", "context": {"dashboard": "MySQL overview"}}
    accepted = (await scripted.user().post("/send?streaming=true", body)).json

    call = await provider.asked()

    assert "- dashboard: MySQL overview" in call.request.messages[-1].parts[0].text
    [question] = await scripted.user().messages(accepted["session_id"])
    assert question["content"] == "Why?"


async def test_a_session_id_that_the_client_invents_is_used(user: Caller) -> None:
    answer = await user.post("/send", {"message": "Why?", "session_id": "qan_overview_1792000000000"})

    assert answer.json["session_id"] == "qan_overview_1792000000000"
    assert len(await user.messages("qan_overview_1792000000000")) == 2


async def test_an_invented_id_means_another_session_for_another_user(backend: Backend) -> None:
    for user_id in ("1", "2"):
        await backend.user(user_id).post("/send", {"message": f"I am {user_id}.", "session_id": "shared"})

    for user_id in ("1", "2"):
        assert (await backend.user(user_id).messages("shared"))[0]["content"] == f"I am {user_id}."


async def test_unknown_keys_absent_ones_and_nulls_are_fine(user: Caller) -> None:
    nothing = {"session_id": None, "context": None, "attachments": None}
    for body in (
        {"message": "Why?"},
        {"message": "Why?", **nothing},
        {"message": "Why?", "session_id": "", "context": {}, "attachments": []},
        {"message": "Why?", "streaming": True, "later": {"idea": [1, None]}},
    ):
        assert (await user.post("/send?unknown=1", body)).status == 200


async def test_the_longest_message_is_answered(user: Caller) -> None:
    assert (await user.post("/send", {"message": "x" * 262_144})).status == 200


async def test_text_of_every_script_comes_back_as_it_was(user: Caller) -> None:
    text = "Größe 日本語 👩‍👩‍👧 \u202e🙃\u202c \\ \" ' <b> % \r\n\t\x7f end"

    session_id = (await user.post("/send", {"message": text})).json["session_id"]

    assert (await user.messages(session_id))[0]["content"] == text
