"""`/send` and `/stream`: ask, follow the answer, stop it."""

from __future__ import annotations

from aiohttp import web
from msgspec import Struct

from aichat_backend.api.asking import Asked, Asking
from aichat_backend.api.endpoints import NO_CONTENT, Parameter, as_events, as_json, endpoint
from aichat_backend.api.identity import refuse_other_sites, user_of
from aichat_backend.api.json import json_response, read_json
from aichat_backend.api.message_files import EarlierFile, SentFile
from aichat_backend.api.parameters import STREAMING, require_utf8_query
from aichat_backend.api.representations import Confirmation
from aichat_backend.api.sse import EventStreams
from aichat_backend.api.turns import ASKING_ERRORS, TURN_ANSWERS, TurnAnswers
from aichat_backend.attachments.filenames import clean_filename
from aichat_backend.attachments.form import Upload
from aichat_backend.attachments.limits import UploadLimits
from aichat_backend.attachments.quota import UploadQuota
from aichat_backend.chat.assistant import Assistant
from aichat_backend.chat.control import is_control_message
from aichat_backend.chat.refusals import Refusal
from aichat_backend.chat.runs import Run
from aichat_backend.errors import Forbidden, InvalidRequest
from aichat_backend.streams.messages import StreamMessage


class SentAttachment(Struct, frozen=True):
    """A file of a question: an earlier one by its `id`, or a new one with its `content` in base64."""

    id: str | None = None
    filename: str | None = None
    mime_type: str | None = None
    content: bytes | None = None


class Question(Struct, frozen=True):
    """The body of a question."""

    message: str
    session_id: str | None = None
    context: dict[str, str] | None = None
    attachments: list[SentAttachment] | None = None


class QuestionResource:
    """Questions of the caller and the streams of their answers."""

    def __init__(
        self,
        asking: Asking,
        answers: TurnAnswers,
        assistant: Assistant,
        streams: EventStreams,
        quota: UploadQuota,
        limits: UploadLimits,
    ) -> None:
        self._asking = asking
        self._answers = answers
        self._assistant = assistant
        self._streams = streams
        self._quota = quota
        self._limits = limits

    @endpoint(
        "POST",
        "/send",
        TURN_ANSWERS,
        parameters=(STREAMING,),
        body=as_json(Question),
        errors=(404, *ASKING_ERRORS),
    )
    async def send(self, request: web.Request) -> web.Response:
        """Ask. With `?streaming=true` the answer is where to follow the stream, else it is the whole message."""
        return await self._answers.tell(request, await self._begin(request))

    @endpoint(
        "GET",
        "/stream",
        {200: as_events(StreamMessage), 204: NO_CONTENT},
        parameters=(
            Parameter("message", str, "The question.", required=True),
            Parameter("session_id", str, "The session; a new one when it is not given."),
        ),
        errors=(400, 404, 413, *ASKING_ERRORS),
    )
    async def ask_and_follow(self, request: web.Request) -> web.StreamResponse:
        """The older one-call form. A reconnecting reader gets 204: a question is never asked twice."""
        _refuse_cross_site(request)
        if "Last-Event-ID" in request.headers:
            return web.Response(status=204)
        require_utf8_query(request)
        message = request.query.get("message", "")
        if is_control_message(message):
            raise Forbidden("Decisions about tools must be sent as POST.")
        asked = Asked(message=message, session_id=request.query.get("session_id"))
        run = await self._asking.begin(request, asked)
        return await self._streams.send(request, run.log)

    @endpoint(
        "GET",
        "/stream/{stream_id}",
        {200: as_events(StreamMessage), 204: NO_CONTENT},
        parameters=(Parameter("Last-Event-ID", str, "Go on after that event.", place="header"),),
    )
    async def follow(self, request: web.Request) -> web.StreamResponse:
        """The events of an answer, from the start or from after `Last-Event-ID`."""
        followed = await self._assistant.follow(user_of(request), request.match_info["stream_id"])
        after = _last_event_id(request)
        if isinstance(followed, Refusal) and after != len(followed.log):
            # It was heard of another log, that of the process which makes the answer.
            after = 0
        return await self._streams.send(request, followed.log, after=after)

    @endpoint("DELETE", "/stream/{stream_id}", {200: as_json(Confirmation)})
    async def stop(self, request: web.Request) -> web.Response:
        """Stop an answer; what was said so far is kept."""
        await self._assistant.stop(user_of(request), request.match_info["stream_id"])
        return json_response(Confirmation("Stream stopped"))

    async def _begin(self, request: web.Request) -> Run | Refusal:
        if (request.content_length or 0) <= request.client_max_size:
            return await self._asking.begin(request, _asked(await read_json(request, Question)))
        # Only files make a body so large, and who has files knows how long they are.
        with self._quota.receiving(user_of(request)):
            question = await read_json(request, Question, limit=self._limits.body_bytes)
            return await self._asking.begin(request, _asked(question))


def _asked(question: Question) -> Asked:
    return Asked(
        message=question.message,
        session_id=question.session_id,
        context=question.context or {},
        files=[_sent_file(attachment) for attachment in question.attachments or ()],
    )


def _sent_file(attachment: SentAttachment) -> SentFile:
    match attachment:
        case SentAttachment(content=bytes(content)):
            return Upload(clean_filename(attachment.filename), attachment.mime_type or "", content)
        case SentAttachment(id=str(id_)) if id_:
            return EarlierFile(id_)
        case _:
            raise InvalidRequest("attachments: each needs the `id` of an earlier file, or `filename` and `content`")


def _last_event_id(request: web.Request) -> int:
    text = request.headers.get("Last-Event-ID", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _refuse_cross_site(request: web.Request) -> None:
    """A page of another site can make a browser send a GET with cookies; it must not ask in the user's name."""
    refuse_other_sites(request)
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2] != request.host:
        raise Forbidden("This request comes from another site.", code="cross_site")
