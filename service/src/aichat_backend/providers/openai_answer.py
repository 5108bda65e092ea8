"""What the bytes of an answer in OpenAI's chat completions mean.

A chunk is decoded field by field, the few that are needed: building the SDK's models costs a hundred times as much.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
from msgspec import Struct

from aichat_backend.chat.parts import Usage
from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.base import Event, Finished, FinishReason, ModelRequest, ReasoningDelta, TextDelta
from aichat_backend.providers.decoding import NOT_JSON, SseDecoder, Telling, decoded, json_or_text
from aichat_backend.providers.failures import Scrubber
from aichat_backend.providers.openai_address import Address
from aichat_backend.providers.openai_calls import CallAssembler, CallDelta, FunctionDelta
from aichat_backend.providers.openai_errors import stream_failure
from aichat_backend.providers.openai_thoughts import kept
from aichat_backend.providers.sse import END_OF_EVENT, SseEvent
from aichat_backend.providers.usage import counted

_DONE = b"[DONE]"
_FAILED: Mapping[str | None, ProviderFailure] = {
    "content_filter": ProviderFailure.CONTENT_FILTER,
    "error": ProviderFailure.UNAVAILABLE,
    "insufficient_system_resource": ProviderFailure.OVERLOADED,
}
"""Reasons to finish that are none, of OpenAI, OpenRouter and DeepSeek."""


class _ContentPart(Struct, gc=False):
    """A piece of content as Mistral's reasoning models send it: text, or thoughts, which are pieces of text again."""

    text: str | None = None
    thinking: list[_ContentPart] | None = None


class _Delta(Struct, gc=False):
    content: str | list[_ContentPart] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[CallDelta] | None = None
    function_call: FunctionDelta | None = None
    """How servers of the first hour call one tool."""


class _Choice(Struct, gc=False):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: object = None
    error: object = None


class _TextDelta(Struct, gc=False):
    content: str
    refusal: None = None
    reasoning_content: None = None
    reasoning: None = None
    tool_calls: None = None
    function_call: None = None


class _TextChoice(Struct, gc=False):
    delta: _TextDelta
    finish_reason: None = None


class _TextChunk(Struct, gc=False):
    """What nearly all chunks are: text and nothing else."""

    choices: tuple[_TextChoice]
    usage: None = None
    error: None = None


_DECODER = msgspec.json.Decoder(_Chunk)
_TEXT_DECODER = msgspec.json.Decoder(_TextChunk)


def _decode_lines(lines: bytes) -> list[_TextChunk] | list[_Chunk]:
    try:
        return _TEXT_DECODER.decode_lines(lines)
    except NOT_JSON:
        return _DECODER.decode_lines(lines)


class AnswerDecoder(SseDecoder):
    """Understands the chunks of one answer. What is called is told at the end, when all of it is there."""

    _decode_lines = staticmethod(_decode_lines)

    def __init__(
        self, request: ModelRequest, address: Address, scrub: Scrubber, content_type: str = "text/event-stream"
    ) -> None:
        super().__init__(scrub, content_type)
        self._request = request
        self._address = address
        self._calls = CallAssembler()
        self._reasoning: list[str] = []
        self._usage: Usage | None = None
        self._finish_reason: str | None = None
        self._said_something = False

    def end(self) -> Iterator[Event]:
        """The stream is over: what was left, the tools that are called, then `Finished`.

        Raises:
            ProviderError: PROTOCOL when the answer or a call is cut off, or what the server says ended it.
        """
        if not self.done:
            yield from self.feed(END_OF_EVENT)
        finished = self._finished()
        if self._calls:
            thoughts = "".join(self._reasoning)
            yield from self._calls.calls(self._request, kept(self._address.host, thoughts) if thoughts else None)
        yield finished

    def _take(self, event: SseEvent, telling: Telling) -> None:
        if event.name == "error":
            raise stream_failure(json_or_text(event.data), self._scrub)
        try:
            chunk = decoded(_DECODER, event.data)
        except NOT_JSON as error:
            if event.data == _DONE:
                self.done = True
                return
            raise ProviderError(ProviderFailure.PROTOCOL, f"a chunk is not what OpenAI sends: {error}") from None
        self._take_chunk(chunk, telling)

    def _take_chunks(self, chunks: list[_TextChunk] | list[_Chunk], telling: Telling) -> None:
        if self.done or not chunks or not isinstance(chunks[0], _TextChunk):
            super()._take_chunks(chunks, telling)
        elif text := "".join([chunk.choices[0].delta.content for chunk in chunks]):
            self._said_something = True
            telling.say(TextDelta, text)

    def _take_chunk(self, chunk: _Chunk, telling: Telling) -> None:
        if chunk.error:
            raise stream_failure(chunk.error, self._scrub)
        if chunk.usage is not None:
            self._usage = _usage(chunk.usage)
        for choice in chunk.choices or ():
            if choice.finish_reason:
                self._finish_reason = choice.finish_reason
            if choice.delta is not None:
                self._take_delta(choice.delta, telling)

    def _take_delta(self, delta: _Delta, telling: Telling) -> None:
        if reasoning := delta.reasoning_content or delta.reasoning:
            self._said_something = True
            telling.say(ReasoningDelta, reasoning)
            if delta.reasoning_content and not self._address.is_openai:
                self._reasoning.append(reasoning)
        if isinstance(delta.content, list):
            self._take_parts(TextDelta, delta.content, telling)
        elif text := delta.content or delta.refusal:
            self._said_something = True
            telling.say(TextDelta, text)
        if delta.tool_calls:
            for call in delta.tool_calls:
                self._calls.add(call)
        if delta.function_call is not None:
            self._calls.add(CallDelta(function=delta.function_call))

    def _take_parts(self, kind: type[TextDelta | ReasoningDelta], parts: list[_ContentPart], telling: Telling) -> None:
        for part in parts:
            if part.text:
                self._said_something = True
                telling.say(kind, part.text)
            self._take_parts(ReasoningDelta, part.thinking or [], telling)

    def _finished(self) -> Finished:
        return Finished(self._reason(), self._usage)

    def _reason(self) -> FinishReason:
        match self._finish_reason:
            case None if not (self.done and (self._said_something or self._calls)):
                raise self._cut_off()
            case reason if reason in _FAILED:
                raise ProviderError(_FAILED[reason], f"the server ended the answer: {reason}")
            case _ if self._calls:
                return FinishReason.TOOL_CALLS
            case "tool_calls" | "function_call":
                raise ProviderError(ProviderFailure.PROTOCOL, "the model said that it calls a tool, and called none")
            case "length":
                return FinishReason.LENGTH
            case _:
                return FinishReason.STOP


def _usage(reported: object) -> Usage | None:
    if not isinstance(reported, Mapping):
        return None
    return counted(reported.get("prompt_tokens"), reported.get("completion_tokens"))
