"""An answer of Anthropic's Messages API as bytes: what its events mean.

An event is decoded field by field, the few that are needed: building the SDK's models costs many times as much.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import Struct

from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.anthropic_errors import stream_failure
from aichat_backend.providers.anthropic_thinking import Thought, state_of
from aichat_backend.providers.base import Finished, FinishReason, ModelRequest, ReasoningDelta, TextDelta, ToolCall
from aichat_backend.providers.calls import CallIds, whole_arguments
from aichat_backend.providers.decoding import NOT_JSON, SseDecoder, Telling, decoded, json_or_text
from aichat_backend.providers.failures import Scrubber
from aichat_backend.providers.sse import SseEvent
from aichat_backend.providers.usage import counted

_LONGEST_ARGUMENTS = 4 * 1024 * 1024
"""Characters. A call that goes on beyond that has no end."""


class _Delta(Struct, gc=False):
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None
    stop_details: object = None


class _Block(Struct, gc=False):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw(b"{}")


class _Message(Struct, gc=False):
    usage: object = None


class _Event(Struct, gc=False):
    type: str = ""
    index: int = 0
    delta: _Delta | None = None
    content_block: _Block | None = None
    message: _Message | None = None
    usage: object = None
    error: object = None


class _TextDelta(Struct, gc=False):
    text: str


class _TextEvent(Struct, gc=False):
    """What nearly all events with a delta are: text."""

    delta: _TextDelta
    type: Literal["content_block_delta"]


_DECODER = msgspec.json.Decoder(_Event)
_TEXT_DECODER = msgspec.json.Decoder(_TextEvent)
_READ = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_WRITTEN = "output_tokens"


def _decode_lines(lines: bytes) -> list[_TextEvent] | list[_Event]:
    try:
        return _TEXT_DECODER.decode_lines(lines)
    except NOT_JSON:
        return _DECODER.decode_lines(lines)


class _OpenThought(Struct):
    signature: str


class _OpenCall(Struct):
    id: str
    name: str
    given: msgspec.Raw
    """What the block began with: all of the arguments, where a server does not stream them."""
    pieces: list[str] = []
    size: int = 0


class AnswerDecoder(SseDecoder):
    """Understands the events of one answer. Events and blocks of kinds that are not known are passed over."""

    _usual_beginning = b"event: content_block_delta\ndata: "
    _decode_lines = staticmethod(_decode_lines)

    def __init__(self, request: ModelRequest, scrub: Scrubber, content_type: str = "text/event-stream") -> None:
        super().__init__(scrub, content_type)
        self._request = request
        self._ids = CallIds(request)
        self._open: dict[int, _OpenThought | _OpenCall] = {}
        """The blocks that have not ended, by their index: those whose end says more."""
        self._usage: dict[str, object] = {}
        self._stop_reason: str | None = None
        self._stop_details: object = None
        self._said_something = False
        self._called = False

    def _take(self, event: SseEvent, telling: Telling) -> None:
        if event.name == "error":
            raise stream_failure(json_or_text(event.data), self._scrub)
        try:
            said = decoded(_DECODER, event.data)
        except NOT_JSON as error:
            raise ProviderError(ProviderFailure.PROTOCOL, f"an event is not what Anthropic sends: {error}") from None
        self._take_chunk(said, telling)

    def _take_chunks(self, chunks: list[_TextEvent] | list[_Event], telling: Telling) -> None:
        if self.done or not chunks or not isinstance(chunks[0], _TextEvent):
            super()._take_chunks(chunks, telling)
        else:
            self._say(TextDelta, "".join([chunk.delta.text for chunk in chunks]), telling)

    def _take_chunk(self, chunk: _Event, telling: Telling) -> None:
        match chunk.type:
            case "content_block_delta":
                if chunk.delta is not None:
                    self._go_on(chunk.index, chunk.delta, telling)
            case "content_block_start":
                if chunk.content_block is not None:
                    self._begin(chunk.index, chunk.content_block, telling)
            case "content_block_stop":
                self._stop(chunk.index, telling)
            case "message_start":
                if chunk.message is not None:
                    self._count(chunk.message.usage)
            case "message_delta":
                self._count(chunk.usage)
                if chunk.delta is not None and chunk.delta.stop_reason:
                    self._stop_reason = chunk.delta.stop_reason
                    self._stop_details = chunk.delta.stop_details
            case "message_stop":
                self.done = True
            case "error":
                raise stream_failure(chunk.error, self._scrub)

    def _begin(self, index: int, block: _Block, telling: Telling) -> None:
        match block.type:
            case "thinking":
                self._open[index] = _OpenThought(block.signature or "")
                self._say(ReasoningDelta, block.thinking, telling)
            case "redacted_thinking":
                if block.data:
                    telling.end_part(ReasoningDelta, state_of(Thought(redacted=block.data)))
            case "tool_use":
                self._open[index] = _OpenCall(self._ids.take(block.id), block.name or "", block.input)
            case _:
                self._say(TextDelta, block.text, telling)

    def _go_on(self, index: int, delta: _Delta, telling: Telling) -> None:
        if delta.text:
            self._say(TextDelta, delta.text, telling)
        elif delta.thinking is not None:
            self._say(ReasoningDelta, delta.thinking, telling)
        elif delta.partial_json is not None:
            self._add_arguments(self._open.get(index), delta.partial_json)
        elif delta.signature is not None and isinstance(thought := self._open.get(index), _OpenThought):
            thought.signature += delta.signature

    def _stop(self, index: int, telling: Telling) -> None:
        match self._open.pop(index, None):
            case _OpenThought(signature=signature) if signature:
                telling.end_part(ReasoningDelta, state_of(Thought(signature=signature)))
            case _OpenCall() as call:
                self._called = True
                arguments = whole_arguments(self._request, call.name, "".join(call.pieces) or _given(call))
                telling.call(ToolCall(call.id, call.name, arguments))

    def _say(self, kind: type[TextDelta] | type[ReasoningDelta], text: str | None, telling: Telling) -> None:
        if text:
            self._said_something = True
            telling.say(kind, text)

    def _add_arguments(self, call: _OpenThought | _OpenCall | None, piece: str) -> None:
        if not isinstance(call, _OpenCall):
            # Of a tool that runs at Anthropic's, or of nothing that has begun.
            return
        call.pieces.append(piece)
        call.size += len(piece)
        if call.size > _LONGEST_ARGUMENTS:
            raise ProviderError(ProviderFailure.PROTOCOL, f"the arguments of a call of {call.name!r} do not end")

    def _count(self, usage: object) -> None:
        """Every number is the sum so far, and comes again or not."""
        if isinstance(usage, Mapping):
            self._usage.update((name, number) for name, number in usage.items() if number is not None)

    def _finished(self) -> Finished:
        reason = self._reason()
        if _WRITTEN not in self._usage:
            return Finished(reason)
        read = sum(number for name in _READ if isinstance(number := self._usage.get(name), int))
        return Finished(reason, counted(read, self._usage[_WRITTEN]))

    def _reason(self) -> FinishReason:
        match self._stop_reason:
            case None if not (self.done and (self._said_something or self._called)):
                raise self._cut_off()
            case "refusal":
                raise ProviderError(
                    ProviderFailure.CONTENT_FILTER, self._scrub(f"Claude declined: {self._stop_details}")
                )
            case "model_context_window_exceeded" if not self._said_something:
                raise ProviderError(ProviderFailure.CONTEXT_LENGTH, "the conversation fills the model's context window")
            case _ if any(isinstance(block, _OpenCall) for block in self._open.values()):
                raise self._cut_off()
            case "max_tokens" | "model_context_window_exceeded" | "pause_turn":
                return FinishReason.LENGTH
            case _:
                return FinishReason.TOOL_CALLS if self._called else FinishReason.STOP


def _given(call: _OpenCall) -> str:
    written = bytes(call.given).decode()
    return "" if written in ("{}", "null") else written
