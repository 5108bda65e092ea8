"""What the log and the metrics are told of a run."""

from __future__ import annotations

import traceback
from time import monotonic

import structlog

from aichat_backend.chat.conversation import MessageStatus
from aichat_backend.chat.draft import Draft
from aichat_backend.chat.parts import Usage
from aichat_backend.chat.turns import OpenedTurn
from aichat_backend.errors import ProviderError, TakenOver, ToolsUnavailable, Unavailable
from aichat_backend.telemetry.metrics import Metrics

_log = structlog.get_logger(__name__)


class RunReport:
    """Of one run, which begins now."""

    def __init__(self, turn: OpenedTurn, metrics: Metrics) -> None:
        self._run_id = turn.run_id
        self._user_id = turn.session.user_id
        self._session_id = turn.session.id
        self._metrics = metrics
        self._started = monotonic()

    def ended(self, status: MessageStatus, failure: BaseException | None, draft: Draft, *, events: int) -> None:
        """Tell how it ended, and what it has cost. What the failure held is let go."""
        if failure is not None and (status is MessageStatus.FAILED or isinstance(failure, TakenOver)):
            self._failed(failure)
        usage = draft.usage
        self._metrics.runs.labels(status).inc()
        if draft.first_text_at is not None:
            self._metrics.first_text.observe(draft.first_text_at - self._started)
        if usage is not None:
            self._metrics.tokens.labels("input").inc(usage.input_tokens)
            self._metrics.tokens.labels("output").inc(usage.output_tokens)
        _log.info(
            "run_ended",
            run_id=self._run_id,
            user_id=self._user_id,
            session_id=self._session_id,
            status=status,
            seconds=round(monotonic() - self._started, 3),
            events=events,
            input_tokens=usage.input_tokens if usage else None,
            output_tokens=usage.output_tokens if usage else None,
            tokens_estimated=usage.estimated if usage else None,
        )

    def not_counted(self, usage: Usage, error: Unavailable) -> None:
        """Tell of tokens that are on nobody's account."""
        _log.warning(
            "tokens_not_counted",
            run_id=self._run_id,
            user_id=self._user_id,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            detail=error.detail,
        )

    def _failed(self, failure: BaseException) -> None:
        match failure:
            case ProviderError():
                self._metrics.provider_failures.labels(failure.failure).inc()
                _log.warning("provider_failed", run_id=self._run_id, failure=failure.failure, detail=failure.detail)
            case TakenOver():
                _log.warning("run_lost", run_id=self._run_id, session_id=self._session_id)
            case ToolsUnavailable():
                _log.warning("approval_returned", run_id=self._run_id, problem=failure.code)
            case Unavailable():
                _log.error("answer_not_stored", run_id=self._run_id, session_id=self._session_id, detail=failure.detail)
            case _:
                _log.error("run_failed", run_id=self._run_id, exc_info=failure)
        _forget_variables(failure)


def _forget_variables(error: BaseException) -> None:
    """Free what the functions held that the error ended, whole histories among it: with its run it is kept a while."""
    link: BaseException | None = error
    while link is not None:
        traceback.clear_frames(link.__traceback__)
        link = link.__context__
