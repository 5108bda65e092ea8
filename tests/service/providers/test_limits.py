"""Waiting for a provider, within limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.limits import Deadlines, TimeLimits


async def pieces_at_once() -> AsyncIterator[bytes]:
    yield b"a"
    yield b"b"


async def nothing_ever() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b"never"


async def own_timeout() -> AsyncIterator[bytes]:
    raise TimeoutError("of the transport")
    yield b"never"


async def passed(seconds: float) -> None:
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, over.set)
    await over.wait()


async def test_gives_the_pieces_and_then_nothing() -> None:
    deadlines, pieces = Deadlines(TimeLimits()), pieces_at_once()

    assert [await deadlines.next(pieces) for _ in range(3)] == [b"a", b"b", b""]


async def test_a_slow_reader_is_not_a_silent_provider() -> None:
    deadlines, pieces = Deadlines(TimeLimits(idle=0.01)), pieces_at_once()
    await deadlines.next(pieces)

    await passed(0.02)

    assert await deadlines.next(pieces) == b"b"


async def test_silence_is_a_timeout() -> None:
    with pytest.raises(ProviderError, match="silent") as caught:
        await Deadlines(TimeLimits(idle=0.01)).next(nothing_ever())

    assert caught.value.failure is ProviderFailure.TIMEOUT


async def test_the_end_counts_from_the_beginning() -> None:
    deadlines = Deadlines(TimeLimits(idle=60, total=0.02))

    with pytest.raises(ProviderError, match=r"did not finish its answer within 0\.02 s"):
        await deadlines.next(nothing_ever())


async def test_a_timeout_of_the_transport_is_left_to_the_caller() -> None:
    with pytest.raises(TimeoutError, match="of the transport"):
        await Deadlines(TimeLimits()).next(own_timeout())
    with pytest.raises(TimeoutError, match="of the transport"):
        async with Deadlines(TimeLimits()).first_byte():
            await anext(own_timeout())
