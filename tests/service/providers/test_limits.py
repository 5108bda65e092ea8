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
    pieces = pieces_at_once()

    with Deadlines(TimeLimits()) as deadlines:
        assert [await deadlines.next(pieces) for _ in range(3)] == [b"a", b"b", b""]


async def test_a_slow_reader_is_not_a_silent_provider() -> None:
    pieces = pieces_at_once()
    with Deadlines(TimeLimits(idle=0.01)) as deadlines:
        await deadlines.next(pieces)

        await passed(0.02)

        assert await deadlines.next(pieces) == b"b"


@pytest.mark.parametrize("read_before", [False, True])
async def test_silence_is_a_timeout(read_before: bool) -> None:
    with Deadlines(TimeLimits(idle=0.01)) as deadlines:
        if read_before:
            await deadlines.next(pieces_at_once())
        with pytest.raises(ProviderError, match="silent") as caught:
            await deadlines.next(nothing_ever())

    assert caught.value.failure is ProviderFailure.TIMEOUT
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_silence_counts_from_the_last_piece() -> None:
    loop = asyncio.get_running_loop()
    with Deadlines(TimeLimits(idle=0.05)) as deadlines:
        await deadlines.next(pieces_at_once())
        await passed(0.03)
        began = loop.time()
        with pytest.raises(ProviderError, match="silent"):
            await deadlines.next(nothing_ever())

    assert loop.time() - began >= 0.05


async def test_the_end_counts_from_the_beginning() -> None:
    with (
        Deadlines(TimeLimits(idle=60, total=0.02)) as deadlines,
        pytest.raises(ProviderError, match=r"did not finish its answer within 0\.02 s"),
    ):
        await deadlines.next(nothing_ever())


async def test_whoever_cancels_the_reader_is_obeyed_though_time_is_up() -> None:
    async def read() -> None:
        with Deadlines(TimeLimits(idle=0)) as deadlines:
            await deadlines.next(nothing_ever())

    reader = asyncio.create_task(read())
    asyncio.get_running_loop().call_later(0, reader.cancel)

    with pytest.raises(asyncio.CancelledError):
        await reader


async def test_a_timeout_of_the_transport_is_left_to_the_caller() -> None:
    with Deadlines(TimeLimits()) as deadlines:
        with pytest.raises(TimeoutError, match="of the transport"):
            await deadlines.next(own_timeout())
        with pytest.raises(TimeoutError, match="of the transport"):
            async with deadlines.first_byte():
                await anext(own_timeout())
