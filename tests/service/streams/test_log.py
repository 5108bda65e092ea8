"""The event log: appended once, read by many."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat_backend.streams.log import EventLog
from aichat_backend.streams.messages import StreamMessage, StreamMessageType, encode_event
from fakes.reading import Frame, events_of

FOREVER = 3600.0
AT_ONCE = 0.001


def delta(text: str) -> StreamMessage:
    return StreamMessage(type=StreamMessageType.MESSAGE, session_id="s", content=text)


DONE = StreamMessage(type=StreamMessageType.DONE, session_id="s", done=True)


async def follow(log: EventLog, position: int = 0) -> bytes:
    """As a reader does, from after that event to the end."""
    read = b""
    while not (log.closed and position >= len(log)):
        if await log.wait_beyond(position, FOREVER):
            frames, position = log.after(position), len(log)
            read += frames
    return read


@given(texts=st.lists(st.text(min_size=1), max_size=8), data=st.data())
def test_a_reader_goes_on_exactly_after_the_event_it_knows(texts: list[str], data: st.DataObject) -> None:
    log = EventLog()
    for text in texts:
        log.append(delta(text))
    log.close(DONE)
    known = data.draw(st.integers(0, len(log)))

    after = log.after(known)

    assert log.after(0).endswith(after)
    assert [event.id for event in (events_of(after) if after else [])] == list(range(known + 1, len(log) + 1))


@given(text=st.text(min_size=1), session_id=st.text("abc_-", min_size=1))
def test_an_event_is_one_line_of_data_that_says_the_same(text: str, session_id: str) -> None:
    raw = encode_event(7, StreamMessage(type=StreamMessageType.MESSAGE, session_id=session_id, content=text))

    assert raw.count(b"\n") == 3
    assert b"\r" not in raw
    frame = Frame.parse(raw)
    assert [name for name, _ in frame.fields] == ["id", "data"]
    assert (frame.id, frame.data) == (7, {"type": "message", "session_id": session_id, "content": text})


async def test_many_waiting_readers_are_woken_by_one_event() -> None:
    log = EventLog()
    readers = [asyncio.create_task(log.wait_beyond(0, FOREVER)) for _ in range(500)]
    await asyncio.sleep(0)

    log.append(delta("x"))

    assert await asyncio.gather(*readers) == [True] * 500


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
    leaving, staying = [asyncio.create_task(log.wait_beyond(0, FOREVER)) for _ in range(2)]
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait({leaving})

    log.append(delta("x"))

    assert leaving.cancelled()
    assert await staying


async def test_a_reader_cancelled_in_the_moment_of_an_event_leaves_nothing_behind() -> None:
    log = EventLog()
    reader = asyncio.create_task(log.wait_beyond(0, FOREVER))
    await asyncio.sleep(0)
    log.append(delta("x"))
    reader.cancel()
    await asyncio.wait({reader})

    assert not log._waiting


async def test_what_is_there_already_needs_no_waiting() -> None:
    log = EventLog()
    log.append(delta("x"))

    assert await log.wait_beyond(0, FOREVER)


async def test_waiting_ends_in_silence_after_its_time() -> None:
    log = EventLog()

    assert not await log.wait_beyond(0, AT_ONCE)
    assert not log._waiting


async def test_nothing_follows_the_terminal_event() -> None:
    log = EventLog()
    log.close(DONE)

    for add in (log.append, log.close):
        with pytest.raises(RuntimeError, match="terminal"):
            add(DONE)
    assert len(log) == 1
    assert log.closed


def test_an_empty_log_has_nothing_to_read() -> None:
    log = EventLog()

    assert (len(log), log.closed, log.after(0)) == (0, False, b"")
