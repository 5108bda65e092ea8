"""An answer of the Gemini API as bytes: what its chunks mean.

A chunk is decoded field by field, the few that are needed: building the SDK's models costs many times as much.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from aichat_backend.chat.parts import Usage
from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.base import Finished, FinishReason, ModelRequest, ReasoningDelta, TextDelta, ToolCall
from aichat_backend.providers.calls import CallIds, whole_arguments
from aichat_backend.providers.decoding import NOT_JSON, SseDecoder, Telling, decoded, json_or_text
from aichat_backend.providers.failures import Scrubber
from aichat_backend.providers.gemini_errors import stream_failure
from aichat_backend.providers.gemini_signatures import signed
from aichat_backend.providers.sse import SseEvent
from aichat_backend.providers.usage import counted

_MODEL_SAYS_NO = ("SAFETY", "BLOCKLIST", "PROHIBITED", "RECITATION", "SPII", "LANGUAGE", "ESCALATION", "MODEL_ARMOR")
"""In the names of the reasons for which an answer is withheld, those for images among them."""
_CUT = ("MAX_TOKENS", "CONTINUATION")
_FAILURES: Mapping[str, ProviderFailure] = {
    "MALFORMED_FUNCTION_CALL": ProviderFailure.PROTOCOL,
    "MALFORMED_RESPONSE": ProviderFailure.PROTOCOL,
    "UNEXPECTED_TOOL_CALL": ProviderFailure.PROTOCOL,
    "TOO_MANY_TOOL_CALLS": ProviderFailure.PROTOCOL,
    "MISSING_THOUGHT_SIGNATURE": ProviderFailure.BAD_REQUEST,
    "PUP_LIMITED_DISABLED": ProviderFailure.AUTH,
}
_READ = ("promptTokenCount", "toolUsePromptTokenCount")
_WRITTEN = ("candidatesTokenCount", "thoughtsTokenCount")

_NOT_GIVEN = msgspec.Raw()

_Kind = type[TextDelta] | type[ReasoningDelta]


class _Call(Struct, gc=False):
    name: str = ""
    id: str | None = None
    args: msgspec.Raw = _NOT_GIVEN


class _Part(Struct, gc=False, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: _Call | None = None


class _Content(Struct, gc=False):
    parts: list[_Part] | None = None


class _Candidate(Struct, gc=False, rename="camel"):
    content: _Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    index: int = 0


class _Feedback(Struct, gc=False, rename="camel"):
    block_reason: str | None = None
    block_reason_message: str | None = None


class _Chunk(Struct, gc=False, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: msgspec.Raw = _NOT_GIVEN
    error: object = None


_DECODER = msgspec.json.Decoder(_Chunk)


class AnswerDecoder(SseDecoder):
    """Understands the chunks of one answer. Parts of kinds that are not known are passed over."""

    _decode_lines = staticmethod(_DECODER.decode_lines)

    def __init__(self, request: ModelRequest, scrub: Scrubber, content_type: str = "text/event-stream") -> None:
        super().__init__(scrub, content_type)
        self._request = request
        self._ids = CallIds(request)
        self._unsigned: _Kind | None = None
        """Of which kind the part is that goes on, if one does."""
        self._usage = _NOT_GIVEN
        self._finish_reason: str | None = None
        self._finish_message: str | None = None
        self._called = False

    def _take(self, event: SseEvent, telling: Telling) -> None:
        if event.name == "error":
            raise stream_failure(json_or_text(event.data), self._scrub)
        try:
            chunk = decoded(_DECODER, event.data)
        except NOT_JSON as error:
            raise ProviderError(ProviderFailure.PROTOCOL, f"a chunk is not what Gemini sends: {error}") from None
        self._take_chunk(chunk, telling)

    def _take_chunk(self, chunk: _Chunk, telling: Telling) -> None:
        if chunk.error:
            raise stream_failure(chunk.error, self._scrub)
        if chunk.usage_metadata is not _NOT_GIVEN:
            self._usage = chunk.usage_metadata
        if (feedback := chunk.prompt_feedback) is not None and feedback.block_reason:
            raise self._declined(f"the question: {feedback.block_reason}", feedback.block_reason_message)
        for candidate in chunk.candidates or ():
            if candidate.index:
                continue
            if candidate.content is not None:
                for part in candidate.content.parts or ():
                    self._take_part(part, telling)
            if candidate.finish_reason:
                self._finish_reason = candidate.finish_reason
                self._finish_message = candidate.finish_message

    def _take_part(self, part: _Part, telling: Telling) -> None:
        if part.function_call is not None:
            self._take_call(part.function_call, part.thought_signature, telling)
            return
        kind: _Kind = ReasoningDelta if part.thought else TextDelta
        if part.thought_signature:
            if self._unsigned is kind:
                telling.end_part(kind, signed(self._request.model, ""))
            if part.text:
                telling.say(kind, part.text)
            telling.end_part(kind, signed(self._request.model, part.thought_signature))
            self._unsigned = None
        elif part.text:
            telling.say(kind, part.text)
            self._unsigned = kind

    def _take_call(self, call: _Call, signature: str | None, telling: Telling) -> None:
        self._called = True
        self._unsigned = None
        written = bytes(call.args).decode()
        arguments = whole_arguments(self._request, call.name, "" if written == "null" else written)
        state = signed(self._request.model, signature) if signature else None
        telling.call(ToolCall(self._ids.take(call.id), call.name, arguments, state))

    def _finished(self) -> Finished:
        return Finished(self._reason(), _usage(self._usage))

    def _reason(self) -> FinishReason:
        """It also ends with STOP when it calls."""
        reason = self._finish_reason
        if reason is None:
            raise self._cut_off()
        if any(word in reason for word in _MODEL_SAYS_NO):
            raise self._declined(f"to go on: {reason}", self._finish_message)
        if reason in _FAILURES:
            raise ProviderError(_FAILURES[reason], self._scrub(f"Gemini stopped: {reason}: {self._finish_message}"))
        if reason in _CUT:
            return FinishReason.LENGTH
        return FinishReason.TOOL_CALLS if self._called else FinishReason.STOP

    def _declined(self, what: str, why: str | None) -> ProviderError:
        detail = self._scrub(f"Gemini declined {what}" + (f": {why}" if why else ""))
        return ProviderError(ProviderFailure.CONTENT_FILTER, detail)


def _usage(reported: msgspec.Raw) -> Usage | None:
    """Thoughts are output as well."""
    said = json_or_text(bytes(reported))
    if not isinstance(said, Mapping):
        return None
    read, written = (
        sum(number for name in names if isinstance(number := said.get(name), int)) for names in (_READ, _WRITTEN)
    )
    return counted(read, written)
