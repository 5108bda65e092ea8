"""Waiting for a provider, within limits."""

from __future__ import annotations

import asyncio

import pytest

from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.limits import Deadlines, TimeLimits


class AtOnce:
    """A body whose pieces are there."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = iter(pieces)

    async def read(self, _most: int, /) -> bytes:
        return next(self._pieces, b"")


class Never:
    """A body of which nothing comes."""

    async def read(self, _most: int, /) -> bytes:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


class OwnTimeout:
    """A body whose connection has a time limit of its own."""

    async def read(self, _most: int, /) -> bytes:
        raise TimeoutError("of the transport")


async def passed(seconds: float) -> None:
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, over.set)
    await over.wait()


async def test_gives_the_pieces_and_then_nothing() -> None:
    body = AtOnce(b"a", b"b")

    with Deadlines(TimeLimits()) as deadlines:
        assert [await deadlines.read(body) for _ in range(3)] == [b"a", b"b", b""]


async def test_a_slow_reader_is_not_a_silent_provider() -> None:
    body = AtOnce(b"a", b"b")
    with Deadlines(TimeLimits(idle=0.01)) as deadlines:
        await deadlines.read(body)

        await passed(0.02)

        assert await deadlines.read(body) == b"b"


@pytest.mark.parametrize("read_before", [False, True])
async def test_silence_is_a_timeout(read_before: bool) -> None:
    with Deadlines(TimeLimits(idle=0.01)) as deadlines:
        if read_before:
            await deadlines.read(AtOnce(b"a"))
        with pytest.raises(ProviderError, match="silent") as caught:
            await deadlines.read(Never())

    assert caught.value.failure is ProviderFailure.TIMEOUT
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_silence_counts_from_the_last_piece() -> None:
    loop = asyncio.get_running_loop()
    with Deadlines(TimeLimits(idle=0.05)) as deadlines:
        await deadlines.read(AtOnce(b"a"))
        await passed(0.03)
        began = loop.time()
        with pytest.raises(ProviderError, match="silent"):
            await deadlines.read(Never())

    assert loop.time() - began >= 0.05


async def test_the_end_counts_from_the_beginning() -> None:
    with (
        Deadlines(TimeLimits(idle=60, total=0.02)) as deadlines,
        pytest.raises(ProviderError, match=r"did not finish its answer within 0\.02 s"),
    ):
        await deadlines.read(Never())


async def test_whoever_cancels_the_reader_is_obeyed_though_time_is_up() -> None:
    async def read() -> None:
        with Deadlines(TimeLimits(idle=0)) as deadlines:
            await deadlines.read(Never())

    reader = asyncio.create_task(read())
    asyncio.get_running_loop().call_later(0, reader.cancel)

    with pytest.raises(asyncio.CancelledError):
        await reader


async def test_a_timeout_of_the_transport_is_left_to_the_caller() -> None:
    with Deadlines(TimeLimits()) as deadlines:
        with pytest.raises(TimeoutError, match="of the transport"):
            await deadlines.read(OwnTimeout())
        with pytest.raises(TimeoutError, match="of the transport"):
            async with deadlines.first_byte():
                await OwnTimeout().read(1)
