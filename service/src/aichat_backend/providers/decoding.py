"""From the bytes of an event stream to as few events of an answer as it can be: what every vendor's decoder shares."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from aichat_backend.chat.parts import ProviderState
from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.base import Event, Finished, ReasoningDelta, TextDelta, ToolCall
from aichat_backend.providers.failures import Scrubber
from aichat_backend.providers.sse import (
    END_OF_EVENT,
    EventTooLong,
    SseEvent,
    SseSplitter,
    data_lines,
    run_of_events,
    split_events,
    start_of_last_event,
)
from aichat_backend.whole_characters import with_whole_characters

NOT_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are not JSON, or not the JSON that was expected."""

_Kind = type[TextDelta] | type[ReasoningDelta]
_Said = TypeVar("_Said")


class Telling:
    """Collects events; neighbouring pieces of text become one, neighbouring pieces of reasoning as well."""

    __slots__ = ("_events", "_kind", "_pieces")

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._kind: _Kind = TextDelta
        self._pieces: list[str] = []

    def say(self, kind: _Kind, text: str) -> None:
        """The next piece of text or reasoning, which is not empty."""
        if kind is not self._kind:
            self._end_piece()
            self._kind = kind
        self._pieces.append(text)

    def end_part(self, kind: _Kind, state: ProviderState) -> None:
        """What is wanted back with the part that ends here, which may be empty."""
        if kind is not self._kind:
            self._end_piece()
            self._kind = kind
        self._events.append(kind("".join(self._pieces), state))
        self._pieces.clear()

    def call(self, call: ToolCall) -> None:
        """A complete call."""
        self._end_piece()
        self._events.append(call)

    def events(self) -> list[Event]:
        """Everything so far, in its order."""
        self._end_piece()
        return self._events

    def _end_piece(self) -> None:
        if self._pieces:
            self._events.append(self._kind("".join(self._pieces)))
            self._pieces.clear()


def and_then(events: Iterable[Event], failure: ProviderError) -> Iterator[Event]:
    """What was said before it failed, then the failure."""
    yield from events
    raise failure


class SseDecoder(ABC):
    """Turns the bytes of one streamed answer into events; what comes together is told together.

    In a burst nearly all events are alike. Those are decoded all at once, which costs a third of one by one.
    """

    _usual_beginning = b"data: "
    """How the events begin that are alike."""
    _decode_lines: Callable[[bytes], list[Any]]
    """Decodes the data of several such events, a line each."""

    def __init__(self, scrub: Scrubber, content_type: str = "text/event-stream") -> None:
        self._scrub = scrub
        self._content_type = content_type
        self._splitter = SseSplitter()
        self.done = False
        """The server said that nothing more will come."""

    def feed(self, piece: bytes) -> Iterable[Event]:
        """What this piece of the answer says.

        Raises:
            ProviderError: when the server reports an error or is not understood; after what was said before that.
        """
        try:
            whole = self._splitter.whole(piece)
        except EventTooLong as error:
            raise ProviderError(ProviderFailure.PROTOCOL, str(error)) from None
        start, end, chunks = self._usual_run(whole)
        telling = Telling()
        try:
            self._take_events(whole[:start], telling)
            self._take_chunks(chunks, telling)
            self._take_events(whole[end:], telling)
        except ProviderError as error:
            return and_then(telling.events(), error)
        return telling.events()

    def end(self) -> Iterator[Event]:
        """The stream is over: what was left, then `Finished`.

        Raises:
            ProviderError: PROTOCOL when the answer is cut off, and whatever else ended it.
        """
        if not self.done:
            yield from self.feed(END_OF_EVENT)
        yield self._finished()

    @abstractmethod
    def _take(self, event: SseEvent, telling: Telling) -> None:
        """Tell what one event says."""

    @abstractmethod
    def _take_chunk(self, chunk: Any, telling: Telling) -> None:
        """Tell what the decoded data of one usual event says."""

    @abstractmethod
    def _finished(self) -> Finished:
        """How the answer ended."""

    def _usual_run(self, whole: bytes) -> tuple[int, int, list[Any]]:
        """Where the events are that are alike, and what they say."""
        beginning = self._usual_beginning
        start, end = run_of_events(whole, beginning)
        for _attempt in range(2):
            try:
                return start, end, self._decode_lines(data_lines(whole[start:end], beginning))
            except NOT_JSON:
                # Often it is only the last one that is of another kind: the end of the answer.
                end = start_of_last_event(whole, beginning, start, end)
        return len(whole), len(whole), []

    def _take_chunks(self, chunks: list[Any], telling: Telling) -> None:
        """Tell what the decoded data of usual events says."""
        for chunk in chunks:
            if self.done:
                break
            self._take_chunk(chunk, telling)

    def _take_events(self, whole: bytes, telling: Telling) -> None:
        for event in split_events(whole):
            if self.done:
                break
            # Some keep the connection open with events that say nothing.
            if event.data.strip():
                self._take(event, telling)

    def _cut_off(self) -> ProviderError:
        return ProviderError(ProviderFailure.PROTOCOL, f"the stream ({self._content_type}) ended before the answer did")


def decoded(decoder: msgspec.json.Decoder[_Said], data: bytes) -> _Said:
    """What the data says. A character of which a server sends half is replaced: nobody's answer is lost for that.

    Raises:
        MsgspecError, UnicodeDecodeError, RecursionError: it is not JSON, or not the JSON that was expected.
    """
    try:
        return decoder.decode(data)
    except NOT_JSON:
        return decoder.decode(with_whole_characters(data))


def json_or_text(data: bytes) -> object:
    """What an error event carries, whatever it is."""
    try:
        decoded: object = msgspec.json.decode(data)
    except NOT_JSON:
        return data.decode(errors="replace")
    return decoded
