"""`GET /sessions?q=`: sessions with a title or a message that has the words."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from fakes.backend import Caller


@pytest.fixture
async def asked(user: Caller) -> Caller:
    """With sessions named by what was asked in them."""
    for session_id, message in (("slow", "Why is it SLOW today?"), ("disk", "Is the disk 100% full? A_B")):
        await user.post("/send", {"message": message, "session_id": session_id})
    await user.post("/sessions", {"title": "Größe des Puffers"})
    return user


async def found(user: Caller, query: str) -> list[str]:
    answer = await user.get(f"/sessions?{urlencode({'q': query})}")
    assert answer.status == 200
    assert answer.json["pagination"]["total"] == len(answer.json["sessions"])
    return [session["id"] for session in answer.json["sessions"]]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("slow", ["slow"]),
        ("  is the disk ", ["disk"]),
        ("mock provider answers", ["disk", "slow"]),
        ("100%", ["disk"]),
        ("a_b", ["disk"]),
        ("axb", []),
        ("100%zz", []),
        ("disk full is", ["disk"]),
        ("disk slow", []),
        ("'; DROP TABLE sessions; --", []),
        ("x" * 5_000, []),
        ("\0", []),
    ],
)
async def test_messages_are_searched_by_beginnings_of_words_in_whatever_case(
    asked: Caller, query: str, ids: list[str]
) -> None:
    assert await found(asked, query) == ids


async def test_titles_are_searched(asked: Caller) -> None:
    assert len(await found(asked, "puffers")) == 1


async def test_an_empty_search_is_none(asked: Caller) -> None:
    assert len(await found(asked, " ")) == 3


async def test_the_hit_is_marked(asked: Caller) -> None:
    (session,) = (await asked.get("/sessions?q=slow")).json["sessions"]
    messages = (await asked.get("/sessions/slow/messages")).json["messages"]
    match = session.pop("match")

    assert match["field"] == "message"
    assert match["message_id"] in {message["id"] for message in messages}
    assert all(match["snippet"][start:end].lower() == "slow" for start, end in match["marks"])
    assert match["marks"]
    assert session.keys() == {"id", "user_id", "title", "created_at", "updated_at"}


async def test_a_hit_in_a_title_names_no_message(asked: Caller) -> None:
    (session,) = (await asked.get("/sessions?q=gr%C3%B6sse")).json["sessions"]

    assert session["match"] == {"field": "title", "snippet": "Größe des Puffers", "marks": [[0, 5]]}


async def test_a_list_without_a_search_has_no_hits(asked: Caller) -> None:
    assert not any("match" in session for session in (await asked.get("/sessions")).json["sessions"])
