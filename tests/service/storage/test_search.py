"""Sessions are found by what they are called and by what was said in them."""

from __future__ import annotations

import pytest

from aichat_backend.chat.parts import ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from aichat_backend.chat.search import Match, MatchField
from aichat_backend.errors import InvalidRequest
from aichat_backend.storage.conversations import LONGEST_QUERY
from fakes.conversations import answer, ask
from fakes.stores import Store

ANN, BOB = "1", "2"


async def found(store: Store, query: str, user_id: str = ANN) -> list[str]:
    """The ids of sessions, in the order of the list."""
    return [hit.session.id for hit in (await store.find_sessions(user_id, query, page=1, limit=100)).items]


async def test_titles_questions_and_answers_are_searched(store: Store) -> None:
    turn = await ask(store, ANN, "a", "Why is checkout slow?")
    await store.close_turn(turn, answer("An index is missing."))
    await ask(store, ANN, "b", "Which disks are full?")
    await store.rename_session(ANN, "b", "Capacity")
    await ask(store, BOB, "c", "Why is checkout slow?")

    assert await found(store, "checkout") == ["a"]
    assert await found(store, "index is") == ["a"]
    assert await found(store, "miss ind") == ["a"]
    assert await found(store, "slow index") == []
    assert await found(store, "capacity") == ["b"]
    assert await found(store, "about which") == []
    assert await found(store, "is") == ["a"]
    assert await found(store, "") == []
    assert await found(store, "is", BOB) == ["c"]


@pytest.mark.parametrize(
    ("said", "query"),
    [
        ("Straße", "STRASSE"),
        ("ÜBERLAUF", "überlauf"),
        ("Ελλάς", "ΕΛΛΆΣ"),
        ("cafe\N{COMBINING ACUTE ACCENT}", "CAFÉ"),
        ("100%_sure\\", "100%_SURE\\"),
        ("a\0b", "A\0B"),
        ("half a \ufffd tortoise", "half a \ud83d tortoise"),
        ("innodb_buffer_pool_size", "BUFFER_POOL"),
        ("東京都の天気", "京都"),
        ("東京都の天気", "気"),
        ("हिन्दी", "हिन्"),
        ("x" * 100, "X" * 80),
        ("🐢", "🐢"),
    ],
)
async def test_case_and_composition_make_no_difference(store: Store, said: str, query: str) -> None:
    await ask(store, ANN, "s", f"before {said} after")

    assert await found(store, query) == ["s"]


@pytest.mark.parametrize(
    "query", ["%", "_", "100", "\\", "'", '"', "*", "efore", "1:before", "NOT", "before OR afterwards"]
)
async def test_a_query_is_text_and_no_pattern(store: Store, query: str) -> None:
    await ask(store, ANN, "s", "before after")

    assert await found(store, query) == []


async def test_what_is_not_shown_is_not_searched(store: Store) -> None:
    turn = await ask(store, ANN, "s", "visible")
    await store.close_turn(
        turn,
        answer(
            ReasoningPart("hidden"),
            ToolCallPart("c", "hidden", "hidden"),
            ToolResultPart("c", "hidden", "hidden"),
            "ok",
        ),
    )

    assert await found(store, "hidden") == []
    assert await found(store, "visible") == ["s"]


async def test_a_title_is_found_as_it_is_now(store: Store) -> None:
    session = await store.create_session(ANN, "First")
    await store.rename_session(ANN, session.id, "Second")
    assert (await found(store, "first"), await found(store, "second")) == ([], [session.id])

    await store.set_title(ANN, session.id, "Third", instead_of="Second")

    assert (await found(store, "second"), await found(store, "THIRD")) == ([], [session.id])


async def test_what_was_found_comes_in_pages(store: Store) -> None:
    for number in range(5):
        await ask(store, ANN, f"s{number}", "same")
        await ask(store, ANN, f"s{number}", "same again")
    await ask(store, ANN, "other", "different")

    page = await store.find_sessions(ANN, "same", page=2, limit=2)

    assert [hit.session.id for hit in page.items] == ["s2", "s1"]
    assert (page.page, page.limit, page.total) == (2, 2, 5)
    assert (await store.find_sessions(ANN, "same", page=10**30, limit=2)).total == 5


async def test_the_newest_message_that_has_the_words_is_shown_with_marks(store: Store) -> None:
    for text in ("The index is old.", "Drop the INDEXES now.", "Thanks!"):
        turn = await ask(store, ANN, "s", text)

    (hit,) = (await store.find_sessions(ANN, "index dro", page=1, limit=9)).items

    assert hit.session == turn.session
    assert hit.match == Match(MatchField.MESSAGE, "Drop the INDEXES now.", ((0, 4), (9, 16)), turn.history[1].id)


async def test_a_title_is_shown_before_any_message(store: Store) -> None:
    await store.open_turn(ANN, "s", title="Slow checkout", parts=(TextPart("So slow!"),), context={})

    (hit,) = (await store.find_sessions(ANN, "slow", page=1, limit=9)).items

    assert hit.match == Match(MatchField.TITLE, "Slow checkout", ((0, 4),))


async def test_what_is_removed_is_not_found(store: Store) -> None:
    for name in ("deleted", "cleared", "answered anew", "kept"):
        turn = await ask(store, ANN, name, "a question")
        await store.close_turn(turn, answer("volatile"))
    await store.delete_session(ANN, "deleted")
    await store.clear_messages(ANN, "cleared")
    await store.close_turn(await store.reopen_turn(ANN, "answered anew"), answer("another"))

    assert await found(store, "volatile") == ["kept"]
    assert await found(store, "another") == ["answered anew"]


async def test_a_text_of_very_many_words_is_stored_and_found_by_its_first(store: Store) -> None:
    await ask(store, ANN, "s", " ".join(f"word{number}" for number in range(200_000)))

    assert await found(store, "word12345") == ["s"]


async def test_a_query_has_a_greatest_length(store: Store) -> None:
    longest = "ΐ" * LONGEST_QUERY
    await ask(store, ANN, "s", longest)

    assert await found(store, longest) == ["s"]
    assert await found(store, "%" * LONGEST_QUERY) == []
    with pytest.raises(InvalidRequest, match="1000"):
        await found(store, "x" * (LONGEST_QUERY + 1))
