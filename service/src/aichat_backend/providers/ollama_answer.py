"""What the lines of an answer of Ollama's `/api/chat` mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct

from aichat_backend.chat.parts import ProviderState, Usage
from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.base import (
    Event,
    Finished,
    FinishReason,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    ToolCall,
)
from aichat_backend.providers.calls import CallIds, whole_arguments
from aichat_backend.providers.decoding import NOT_JSON, Telling, and_then, decoded
from aichat_backend.providers.failures import Scrubber
from aichat_backend.providers.ndjson import LineSplitter, LineTooLong
from aichat_backend.providers.ollama_errors import stream_failure
from aichat_backend.providers.ollama_request import PROVIDER
from aichat_backend.providers.usage import counted


class _Function(Struct, gc=False):
    name: str = ""
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class _Call(Struct, gc=False):
    function: _Function
    id: str | None = None


class _Message(Struct, gc=False):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[_Call] | None = None


class _Line(Struct, gc=False):
    message: _Message | None = None
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: object = None
    eval_count: object = None
    error: object = None


_DECODER = msgspec.json.Decoder(_Line)


class AnswerDecoder:
    """Turns the bytes of one streamed answer into events; what comes together is told together."""

    def __init__(self, request: ModelRequest, scrub: Scrubber, content_type: str = "application/x-ndjson") -> None:
        self._request = request
        self._scrub = scrub
        self._content_type = content_type
        self._lines = LineSplitter()
        self._calls: list[_Call] = []
        self._thoughts: list[str] = []
        self._last = _Line()
        self.done = False
        """The server said that nothing more will come."""

    def feed(self, piece: bytes) -> Iterable[Event]:
        """What this piece of the answer says.

        Raises:
            ProviderError: when the server reports an error or is not understood; after what was said before that.
        """
        try:
            lines = self._lines.whole(piece)
        except LineTooLong as error:
            raise ProviderError(ProviderFailure.PROTOCOL, str(error)) from None
        telling = Telling()
        try:
            self._take_all(_decoded(lines), telling)
        except ProviderError as error:
            return and_then(telling.events(), error)
        return telling.events()

    def end(self) -> Iterator[Event]:
        """The stream is over: what was left, the tools that are called, then `Finished`.

        Raises:
            ProviderError: PROTOCOL when the answer is cut off.
        """
        if not self.done:
            yield from self.feed(b"\n")
        if not self.done:
            raise ProviderError(
                ProviderFailure.PROTOCOL, f"the stream ({self._content_type}) ended before the answer did"
            )
        yield from self._called()
        yield Finished(self._reason(), self._usage())

    def _take_all(self, said: Iterable[_Line], telling: Telling) -> None:
        for line in said:
            self._take(line, telling)
            if self.done:
                break

    def _take(self, said: _Line, telling: Telling) -> None:
        if said.error:
            raise stream_failure(said.error, self._scrub)
        if (message := said.message) is not None:
            if message.thinking:
                self._thoughts.append(message.thinking)
                telling.say(ReasoningDelta, message.thinking)
            if message.content:
                telling.say(TextDelta, message.content)
            if message.tool_calls:
                self._calls.extend(message.tool_calls)
        if said.done:
            self._last = said
            self.done = True

    def _called(self) -> Iterator[ToolCall]:
        """The calls, of which the first carries the thoughts before them."""
        thoughts = "".join(self._thoughts)
        state = ProviderState(PROVIDER, thoughts) if thoughts else None
        ids = CallIds(self._request)
        functions = [(call.id, call.function.name, bytes(call.function.arguments).decode()) for call in self._calls]
        for given, name, arguments in [
            (given, name, whole_arguments(self._request, name, arguments)) for given, name, arguments in functions
        ]:
            yield ToolCall(ids.take(given), name, arguments, state)
            state = None

    def _reason(self) -> FinishReason:
        if self._calls:
            return FinishReason.TOOL_CALLS
        return FinishReason.LENGTH if self._last.done_reason == "length" else FinishReason.STOP

    def _usage(self) -> Usage | None:
        if self._last.prompt_eval_count is None and self._last.eval_count is None:
            return None
        return counted(self._last.prompt_eval_count, self._last.eval_count)


def _decoded(lines: bytes) -> Iterable[_Line]:
    """What the lines say: of all at once, or, when one of them makes no sense, of one after the other up to that."""
    try:
        return _DECODER.decode_lines(lines)
    except NOT_JSON:
        return map(_decode, filter(bytes.strip, lines.split(b"\n")))


def _decode(line: bytes) -> _Line:
    try:
        return decoded(_DECODER, line)
    except NOT_JSON as error:
        raise ProviderError(ProviderFailure.PROTOCOL, f"a line is not what Ollama sends: {error}") from None
