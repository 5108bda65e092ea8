"""Readers of an event log: each at its own pace, none in the way of another."""

from __future__ import annotations

import asyncio

from aichat_backend.streams.log import EventLog
from aichat_backend.streams.messages import StreamMessage, StreamMessageType
from aichat_backend.streams.reader import LogReader

FOREVER = 3600.0
AT_ONCE = 0.001

DONE = StreamMessage(type=StreamMessageType.DONE, session_id="s", done=True)


def delta(text: str) -> StreamMessage:
    return StreamMessage(type=StreamMessageType.MESSAGE, session_id="s", content=text)


async def read_once(log: EventLog, *, after: int = 0, patience: float = FOREVER) -> bytes:
    with LogReader(log, after=after, patience=patience) as reader:
        return await reader.read()


async def follow(log: EventLog) -> bytes:
    events = b""
    with LogReader(log, after=0, patience=FOREVER) as reader:
        while not reader.ended:
            events += await reader.read()
    return events


async def test_what_is_there_already_needs_no_waiting() -> None:
    log = EventLog()
    log.append(delta("x"))

    assert await read_once(log) == log.after(0)


async def test_many_waiting_readers_are_woken_by_one_event() -> None:
    log = EventLog()
    readers = [asyncio.create_task(read_once(log)) for _ in range(500)]
    await asyncio.sleep(0)

    log.append(delta("x"))

    assert await asyncio.gather(*readers) == [log.after(0)] * 500


async def test_readers_at_their_own_pace_all_read_everything() -> None:
    log = EventLog()
    readers = [asyncio.create_task(follow(log)) for _ in range(20)]
    for number in range(50):
        log.append(delta(str(number)))
        for _ in range(number % 3):
            await asyncio.sleep(0)
        if number % 10 == 0:
            readers.append(asyncio.create_task(follow(log)))
    log.close(DONE)

    assert set(await asyncio.gather(*readers)) == {log.after(0)}


async def test_a_reader_who_gives_up_disturbs_no_other() -> None:
    log = EventLog()
    leaving, staying = [asyncio.create_task(read_once(log)) for _ in range(2)]
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait({leaving})

    log.append(delta("x"))

    assert leaving.cancelled()
    assert await staying == log.after(0)


async def test_a_reader_cancelled_in_the_moment_of_an_event_leaves_nothing_behind() -> None:
    log = EventLog()
    reader = asyncio.create_task(read_once(log))
    await asyncio.sleep(0)
    log.append(delta("x"))
    reader.cancel()
    await asyncio.wait({reader})

    assert not log._waiting


async def test_a_reading_ends_with_nothing_after_a_time_of_silence() -> None:
    log = EventLog()

    assert await read_once(log, patience=AT_ONCE) == b""
    assert not log._waiting


async def test_silence_is_told_again_and_again_and_then_the_event() -> None:
    log = EventLog()
    with LogReader(log, after=0, patience=AT_ONCE) as reader:
        silences = [await reader.read() for _ in range(3)]
        log.append(delta("x"))
        event = await reader.read()

    assert (silences, event) == ([b""] * 3, log.after(0))


async def test_an_event_starts_the_patience_anew() -> None:
    log = EventLog()
    loop = asyncio.get_running_loop()
    patience = 0.05
    with LogReader(log, after=0, patience=patience) as reader:
        loop.call_later(patience / 2, log.append, delta("x"))
        assert await reader.read()
        read_at = loop.time()
        assert not await reader.read()

        silent_for = loop.time() - read_at

    # The event loop may ring a little early.
    assert silent_for > 0.9 * patience


async def test_a_reader_from_beyond_the_end_waits_for_the_next_event() -> None:
    log = EventLog()
    log.append(delta("x"))
    reading = asyncio.create_task(read_once(log, after=99))
    await asyncio.sleep(0)

    log.append(delta("y"))

    assert await reading == log.after(1)


async def test_a_reader_has_ended_when_it_has_read_the_terminal_event() -> None:
    log = EventLog()
    with LogReader(log, after=0, patience=FOREVER) as reader:
        log.close(DONE)
        before = reader.ended
        await reader.read()

        assert (before, reader.ended) == (False, True)


async def test_a_reader_that_is_closed_has_no_timer() -> None:
    log = EventLog()
    with LogReader(log, after=0, patience=FOREVER) as reader:
        pass

    assert reader._timer.cancelled()
