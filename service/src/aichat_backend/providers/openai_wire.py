"""OpenAI's chat completions as bytes: what we say for a request, what an answer's chunks mean.

A chunk is decoded field by field, the few that are needed: building the SDK's models costs a hundred times as much.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

import msgspec
from msgspec import Struct

from aichat_backend.chat.parts import Usage, text_of
from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.base import Event, Finished, FinishReason, ModelRequest, ReasoningDelta, TextDelta
from aichat_backend.providers.failures import Scrubber
from aichat_backend.providers.openai_errors import stream_failure
from aichat_backend.providers.sse import EventTooLong, SseEvent, SseSplitter

_DONE = b"[DONE]"
_MOST_TOKENS = 2**31 - 1
"""What every database takes; a server that counts further, or below zero, does not count."""
_REASONING_MODEL = re.compile(r"o[1-9]\b|gpt-(?:[5-9]|\d\d)(?!.*-chat\b)")


def is_reasoning_model(model: str) -> bool:
    """Whether it is of the kind that refuses `temperature` and counts its thinking in `max_completion_tokens`.

    A router's prefix (`openai/o3`) and a fine-tuned model's (`ft:gpt-5:…`) do not matter; `gpt-5-chat` is not one.
    """
    return _REASONING_MODEL.match(model.rpartition("/")[2].removeprefix("ft:")) is not None


def request_body(request: ModelRequest) -> dict[str, object]:
    """The question in OpenAI's words."""
    body: dict[str, object] = {
        "model": request.model,
        "messages": list(_messages(request)),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    reasoning = is_reasoning_model(request.model)
    if request.temperature is not None and not reasoning:
        body["temperature"] = request.temperature
    if request.max_tokens is not None:
        body["max_completion_tokens" if reasoning else "max_tokens"] = request.max_tokens
    return body


def _messages(request: ModelRequest) -> Iterator[dict[str, str]]:
    if request.system:
        yield {"role": "system", "content": request.system}
    for message in request.messages:
        yield {"role": message.role.value, "content": text_of(message.parts)}


class _Delta(Struct):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _Choice(Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Usage(Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Chunk(Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: object = None


_TextualDelta = TextDelta | ReasoningDelta
_CHUNK = msgspec.json.Decoder(_Chunk)
_NOT_JSON = (msgspec.MsgspecError, UnicodeDecodeError)


class AnswerDecoder:
    """Turns the bytes of one streamed answer into events; what comes together is told together."""

    def __init__(self, scrub: Scrubber, content_type: str = "text/event-stream") -> None:
        self._scrub = scrub
        self._content_type = content_type
        self._splitter = SseSplitter()
        self._usage: Usage | None = None
        self._finish_reason: str | None = None
        self._said_something = False
        self.done = False
        """The server said that nothing more will come."""

    def feed(self, piece: bytes) -> Iterator[Event]:
        """What this piece of the answer says: consecutive text as one delta, consecutive reasoning as one.

        Raises:
            ProviderError: when the server reports an error or is not understood; after what was said before that.
        """
        try:
            events = self._splitter.feed(piece)
        except EventTooLong as error:
            raise ProviderError(ProviderFailure.PROTOCOL, str(error)) from None
        return self._understand(events)

    def end(self) -> Iterator[Event]:
        """The stream is over: what was left, then `Finished`.

        Raises:
            ProviderError: PROTOCOL when the answer is cut off, CONTENT_FILTER when a filter ended it.
        """
        if not self.done:
            yield from self._understand(self._splitter.end())
        yield Finished(self._reason(), self._usage)

    def _reason(self) -> FinishReason:
        match self._finish_reason:
            case None if not (self.done and self._said_something):
                raise ProviderError(
                    ProviderFailure.PROTOCOL, f"the stream ({self._content_type}) ended before the answer did"
                )
            case "content_filter":
                raise ProviderError(ProviderFailure.CONTENT_FILTER, "the answer was stopped by a content filter")
            case "tool_calls" | "function_call":
                raise ProviderError(ProviderFailure.PROTOCOL, "the model called a tool although none was offered")
            case "length":
                return FinishReason.LENGTH
            case _:
                return FinishReason.STOP

    def _understand(self, events: Iterable[SseEvent]) -> Iterator[Event]:
        deltas: list[_TextualDelta] = []
        failure: ProviderError | None = None
        for event in events:
            if event.data == _DONE:
                self.done = True
                break
            try:
                self._take(event, deltas)
            except ProviderError as error:
                failure = error
                break
        if len(deltas) == 1:
            yield deltas[0]
        else:
            for kind, neighbours in groupby(deltas, type):
                yield kind("".join(delta.text for delta in neighbours))
        if failure is not None:
            raise failure

    def _take(self, event: SseEvent, deltas: list[_TextualDelta]) -> None:
        if event.name == "error":
            raise stream_failure(_json_or_text(event.data), self._scrub)
        try:
            chunk = _CHUNK.decode(event.data)
        except _NOT_JSON as error:
            raise ProviderError(ProviderFailure.PROTOCOL, f"a chunk is not what OpenAI sends: {error}") from None
        if chunk.error:
            raise stream_failure(chunk.error, self._scrub)
        if chunk.usage is not None:
            self._usage = _plausible(chunk.usage)
        for choice in chunk.choices or ():
            if choice.finish_reason:
                self._finish_reason = choice.finish_reason
            if (delta := choice.delta) is not None:
                if reasoning := delta.reasoning_content or delta.reasoning:
                    deltas.append(ReasoningDelta(reasoning))
                if text := delta.content or delta.refusal:
                    deltas.append(TextDelta(text))
        if deltas:
            self._said_something = True


def _plausible(counted: _Usage) -> Usage | None:
    tokens = (counted.prompt_tokens or 0, counted.completion_tokens or 0)
    return Usage(*tokens) if all(0 <= number <= _MOST_TOKENS for number in tokens) else None


def _json_or_text(data: bytes) -> object:
    try:
        decoded: object = msgspec.json.decode(data)
    except _NOT_JSON:
        return data.decode(errors="replace")
    return decoded
