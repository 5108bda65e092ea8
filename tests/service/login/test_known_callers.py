"""Callers are remembered for seconds, apart from each other, and asked about once."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from aichat_backend.errors import Unauthenticated
from aichat_backend.login.credentials import Credentials, Fingerprints
from aichat_backend.login.known_callers import KnownCallers
from fakes.backend import eventually
from fakes.fake_grafana import by_cookie, by_password

ALICE, BOB = by_cookie("of-alice"), by_cookie("of-bob")


class Clock:
    """Goes when it is told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Register:
    """Who is whom; answers when it may."""

    def __init__(self) -> None:
        self.ids = {ALICE: "11", BOB: "12"}
        self.asked: Counter[Credentials] = Counter()
        self.open = asyncio.Event()
        self.open.set()

    async def who(self, credentials: Credentials) -> str:
        self.asked[credentials] += 1
        await self.open.wait()
        if credentials not in self.ids:
            raise Unauthenticated("Authentication required")
        return self.ids[credentials]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def register() -> Register:
    return Register()


@pytest.fixture
def callers(register: Register, clock: Clock) -> KnownCallers:
    return KnownCallers(register.who, seconds=3, clock=clock)


async def test_who_was_known_a_moment_ago_still_is(callers: KnownCallers, register: Register, clock: Clock) -> None:
    assert await callers.who(ALICE) == "11"
    clock.now += 2.9
    assert await callers.who(ALICE) == "11"

    assert register.asked[ALICE] == 1


async def test_a_logout_counts_when_the_seconds_are_over_however_often_one_asked(
    callers: KnownCallers, register: Register, clock: Clock
) -> None:
    await callers.who(ALICE)
    del register.ids[ALICE]
    for _ in range(2):
        clock.now += 1.4
        await callers.who(ALICE)
    clock.now += 0.2

    with pytest.raises(Unauthenticated):
        await callers.who(ALICE)


async def test_the_seconds_begin_with_the_question(callers: KnownCallers, register: Register, clock: Clock) -> None:
    register.open.clear()
    asking = asyncio.create_task(callers.who(ALICE))
    await eventually(lambda: register.asked[ALICE])
    clock.now += 3
    register.open.set()
    await asking
    await callers.who(ALICE)

    assert register.asked[ALICE] == 2


async def test_a_refusal_is_not_remembered(callers: KnownCallers, register: Register) -> None:
    del register.ids[ALICE]
    with pytest.raises(Unauthenticated):
        await callers.who(ALICE)
    register.ids[ALICE] = "11"

    assert await callers.who(ALICE) == "11"


async def test_two_callers_are_two(callers: KnownCallers) -> None:
    for _ in range(2):
        assert await asyncio.gather(callers.who(ALICE), callers.who(BOB)) == ["11", "12"]


async def test_fifty_who_want_to_know_at_once_ask_once(callers: KnownCallers, register: Register) -> None:
    register.open.clear()
    asking = [asyncio.create_task(callers.who(each)) for each in (ALICE, BOB) for _ in range(50)]
    await eventually(lambda: len(register.asked) == 2)
    register.open.set()

    assert await asyncio.gather(*asking) == ["11"] * 50 + ["12"] * 50
    assert register.asked == {ALICE: 1, BOB: 1}


async def test_all_who_asked_at_once_hear_of_a_refusal(callers: KnownCallers, register: Register) -> None:
    nobody = by_password("alice", "wrong")
    asking = [callers.who(nobody) for _ in range(3)]

    outcomes = await asyncio.gather(*asking, return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [Unauthenticated] * 3
    assert register.asked[nobody] == 1


async def test_who_leaves_takes_the_question_from_nobody_else(callers: KnownCallers, register: Register) -> None:
    register.open.clear()
    leaving, staying = asyncio.create_task(callers.who(ALICE)), asyncio.create_task(callers.who(ALICE))
    await eventually(lambda: register.asked[ALICE])
    leaving.cancel()
    await asyncio.wait({leaving})
    register.open.set()

    assert await staying == "11"
    assert leaving.cancelled()


async def test_with_no_seconds_everybody_is_asked_about_anew(register: Register, clock: Clock) -> None:
    callers = KnownCallers(register.who, seconds=0, clock=clock)
    await callers.who(ALICE)
    await callers.who(ALICE)

    assert register.asked[ALICE] == 2


async def test_the_oldest_make_room(register: Register, clock: Clock) -> None:
    callers = KnownCallers(register.who, seconds=3, most=2, clock=clock)
    crowd = [by_cookie(f"of-{number}") for number in range(3)]
    register.ids |= dict.fromkeys(crowd, "13")
    for each in (*crowd, *reversed(crowd)):
        await callers.who(each)

    assert register.asked == {crowd[0]: 2, crowd[1]: 1, crowd[2]: 1}


async def test_questions_under_way_end_with_the_service(callers: KnownCallers, register: Register) -> None:
    register.open.clear()
    asking = asyncio.create_task(callers.who(ALICE))
    await eventually(lambda: register.asked[ALICE])

    await callers.aclose()

    with pytest.raises(asyncio.CancelledError):
        await asking


def test_fingerprints_tell_headers_apart_and_give_nothing_away() -> None:
    fingerprints = Fingerprints()
    different = [
        Credentials("ab", ""),
        Credentials("a", "b"),
        Credentials("", "ab"),
        Credentials("ab", "ab"),
        Credentials("äb", ""),
    ]

    found = [fingerprints.of(each) for each in different]

    assert len(set(found)) == len(different)
    assert found == [fingerprints.of(each) for each in different]
    assert found[0] != Fingerprints().of(different[0])
