"""`/sessions` and the messages in them."""

from __future__ import annotations

import pytest

from fakes.backend import Backend, Caller
from fakes.contract import ID, INSTANT, assert_error

FAMILY = "👨‍👩‍👧"


async def create(user: Caller, title: str = "About indexes") -> str:
    session_id: str = (await user.post("/sessions", {"title": title})).json["id"]
    return session_id


async def numbered_messages(user: Caller, questions: int) -> str:
    for number in range(questions):
        await user.post("/send", {"message": f"question {number}", "session_id": "numbered"})
    return "numbered"


async def test_a_session_is_created_with_its_title(user: Caller) -> None:
    answer = await user.post("/sessions", {"title": "  About indexes "})

    assert answer.status == 201
    session = answer.json
    assert session.keys() == {"id", "user_id", "title", "created_at", "updated_at"}
    assert (session["title"], session["user_id"]) == ("About indexes", "1")
    assert ID.fullmatch(session["id"])
    assert INSTANT.fullmatch(session["created_at"])
    assert session["updated_at"] == session["created_at"]
    assert (await user.get(f"/sessions/{session['id']}")).json == session


@pytest.mark.parametrize("body", [None, {}, {"title": ""}, {"title": "   "}, {"title": None}, {"unknown": 1}])
async def test_without_a_title_a_session_gets_the_default_one(user: Caller, body: object) -> None:
    answer = await user.post("/sessions", body)

    assert (answer.status, answer.json["title"]) == (201, "New Chat Session")


@pytest.mark.parametrize("title", ["Größe", "a\u00a0b", "日本\u3000語", FAMILY, "مرحبا\u200f!", "x" * 200])
async def test_titles_may_be_in_any_script(user: Caller, title: str) -> None:
    created = await user.post("/sessions", {"title": title})

    assert (created.status, created.json["title"]) == (201, title)


@pytest.mark.parametrize("title", ["a\nb", "a\0b", "a\x1bb", "a\x85b", "x" * 201])
async def test_titles_with_control_characters_or_too_long_are_refused(
    backend: Backend, user: Caller, title: str
) -> None:
    before = backend.rows()

    assert_error(await user.post("/sessions", {"title": title}), 400, "invalid_request", "title")
    assert backend.rows() == before


async def test_a_user_without_sessions_gets_an_empty_list(user: Caller) -> None:
    answer = await user.get("/sessions")

    assert answer.status == 200
    assert answer.json == {"sessions": [], "pagination": {"page": 1, "limit": 20, "offset": 0, "total": 0}}


async def test_sessions_are_listed_by_newest_activity(user: Caller) -> None:
    first, second, third = [await create(user, title) for title in ("first", "second", "third")]

    await user.post("/send", {"message": "Why?", "session_id": second})
    await user.call("PUT", f"/sessions/{first}", json={"title": "renamed"})

    listed = (await user.get("/sessions")).json["sessions"]
    assert [session["id"] for session in listed] == [first, second, third]
    assert listed[0] == (await user.get(f"/sessions/{first}")).json


async def test_pages_together_are_the_whole_list(user: Caller) -> None:
    created = [await create(user, f"number {number}") for number in range(5)]

    pages = [(await user.get(f"/sessions?page={page}&limit=2")).json for page in (1, 2, 3, 4)]

    assert [session["id"] for page in pages for session in page["sessions"]] == created[::-1]
    assert pages[1]["pagination"] == {"page": 2, "limit": 2, "offset": 2, "total": 5}
    assert pages[3] == {"sessions": [], "pagination": {"page": 4, "limit": 2, "offset": 6, "total": 5}}


NOT_A_NUMBER = ["", "0", "-1", "1.0", "1e1", "abc", "٣", "²", " 1", "+1", "0x1", "9" * 40, "%00", "%ff", "null"]


async def test_a_limit_that_makes_no_sense_is_the_default(user: Caller) -> None:
    session_id = await create(user)

    for limit in [*NOT_A_NUMBER, "101"]:
        assert (await user.get(f"/sessions?limit={limit}")).json["pagination"]["limit"] == 20, limit
        assert (await user.get(f"/sessions/{session_id}/messages?limit={limit}")).json["pagination"]["limit"] == 50, (
            limit
        )


async def test_a_page_that_makes_no_sense_is_the_first(user: Caller) -> None:
    session_id = await create(user)

    for page in NOT_A_NUMBER:
        listed = await user.get(f"/sessions?page={page}")
        assert (listed.status, listed.json["pagination"]["page"]) == (200, 1), page
        assert [session["id"] for session in listed.json["sessions"]] == [session_id], page
        assert (await user.get(f"/sessions/{session_id}/messages?page={page}")).json["pagination"]["page"] == 1, page


@pytest.mark.parametrize(("limit", "used"), [("1", 1), ("100", 100), ("007", 7)])
async def test_limits_from_1_to_100_are_used(user: Caller, limit: str, used: int) -> None:
    assert (await user.get(f"/sessions?limit={limit}")).json["pagination"]["limit"] == used


async def test_a_page_far_beyond_the_end_is_empty(user: Caller) -> None:
    session_id = await create(user)

    for page in ("2", "999999999", "1000000000"):
        listed = await user.get(f"/sessions?page={page}&limit=100")
        assert (listed.status, listed.json["sessions"]) == (200, [])
        assert listed.json["pagination"]["offset"] == (int(page) - 1) * 100
        assert (await user.get(f"/sessions/{session_id}/messages?page={page}")).json["messages"] == []


async def test_a_session_is_renamed(user: Caller) -> None:
    session_id = await create(user)

    answer = await user.call("PUT", f"/sessions/{session_id}", json={"title": " About locks "})

    assert (answer.status, answer.json.keys()) == (200, {"message"})
    session = (await user.get(f"/sessions/{session_id}")).json
    assert session["title"] == "About locks"
    assert session["updated_at"] > session["created_at"]


@pytest.mark.parametrize("body", [{"title": ""}, {"title": " \t "}, {"title": None}, {"title": 5}, {}, [], "x"])
async def test_renaming_needs_a_title(user: Caller, body: object) -> None:
    session_id = await create(user)

    assert_error(await user.call("PUT", f"/sessions/{session_id}", json=body), 400, "invalid_request")
    assert (await user.get(f"/sessions/{session_id}")).json["title"] == "About indexes"


async def test_a_deleted_session_is_gone_with_its_messages(backend: Backend, user: Caller) -> None:
    session_id = await numbered_messages(user, 1)

    answer = await user.delete(f"/sessions/{session_id}")

    assert (answer.status, answer.json.keys()) == (200, {"message"})
    assert backend.rows() == {"sessions": 0, "messages": 0}
    assert_error(await user.get(f"/sessions/{session_id}"), 404, "not_found")
    assert_error(await user.delete(f"/sessions/{session_id}"), 404, "not_found")


async def test_messages_have_the_contract_s_shape(user: Caller) -> None:
    session_id = await numbered_messages(user, 1)

    answer = (await user.get(f"/sessions/{session_id}/messages")).json

    assert answer.keys() == {"messages", "pagination"}
    question, reply = answer["messages"]
    assert question.keys() == {"id", "role", "content", "timestamp"}
    assert reply.keys() == {"id", "role", "content", "timestamp", "usage"}
    assert (question["role"], question["content"]) == ("user", "question 0")
    assert reply["role"] == "assistant"
    assert INSTANT.fullmatch(question["timestamp"])
    assert question["timestamp"] <= reply["timestamp"]


async def test_without_a_page_the_newest_messages_come_oldest_first(user: Caller) -> None:
    session_id = await numbered_messages(user, 3)

    answer = (await user.get(f"/sessions/{session_id}/messages?limit=3")).json

    assert [message["role"] for message in answer["messages"]] == ["assistant", "user", "assistant"]
    assert answer["messages"][1]["content"] == "question 2"
    assert answer["pagination"]["total"] == 6


async def test_with_a_page_messages_come_from_the_oldest(user: Caller) -> None:
    session_id = await numbered_messages(user, 3)

    pages = [(await user.get(f"/sessions/{session_id}/messages?page={page}&limit=4")).json for page in (1, 2)]

    assert [message["content"] for message in pages[0]["messages"][::2]] == ["question 0", "question 1"]
    assert [message["content"] for message in pages[1]["messages"][::2]] == ["question 2"]
    assert pages[1]["pagination"] == {"page": 2, "limit": 4, "offset": 4, "total": 6}


async def test_an_empty_session_has_an_empty_list_of_messages(user: Caller) -> None:
    answer = await user.get(f"/sessions/{await create(user)}/messages")

    assert answer.json == {"messages": [], "pagination": {"page": 1, "limit": 50, "offset": 0, "total": 0}}


@pytest.mark.parametrize("path", ["/sessions/numbered/messages", "/clear?session_id=numbered"])
async def test_clearing_keeps_the_session(backend: Backend, user: Caller, path: str) -> None:
    await numbered_messages(user, 2)

    answer = await user.delete(path)

    assert (answer.status, answer.json.keys()) == (200, {"message"})
    assert backend.rows() == {"sessions": 1, "messages": 0}


@pytest.mark.parametrize(
    "query", ["", "?session_id=", "?session_id=a/b", "?session_id=" + "x" * 65, "?session=numbered"]
)
async def test_clearing_needs_to_know_what(user: Caller, query: str) -> None:
    assert_error(await user.delete(f"/clear{query}"), 400, "invalid_request", "session_id")


@pytest.mark.parametrize("session_id", ["unknown", "x" * 65, "a%2Fb", "%00", "%ff", "a.b", "Größe", "%F0%9F%98%80"])
async def test_an_unknown_or_impossible_session_is_missing(user: Caller, session_id: str) -> None:
    for method, below in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/messages"), ("DELETE", "/messages")):
        body = {"title": "x"} if method == "PUT" else None
        assert_error(await user.call(method, f"/sessions/{session_id}{below}", json=body), 404, "not_found")
