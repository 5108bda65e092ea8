"""The wiring of the whole service: the one place that knows every room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from aiohttp import web

from aichat_backend.api.account import AccountResource
from aichat_backend.api.asking import Asking
from aichat_backend.api.attachments import AttachmentResource
from aichat_backend.api.caller import CallerResource
from aichat_backend.api.decisions import DecisionResource, Decisions
from aichat_backend.api.endpoints import Routes
from aichat_backend.api.errors import errors_middleware
from aichat_backend.api.export import ExportResource
from aichat_backend.api.identity import identity_middleware
from aichat_backend.api.message_files import MessageFiles
from aichat_backend.api.observation import observation_middleware
from aichat_backend.api.openapi import OpenApiResource
from aichat_backend.api.operations import Check, OperationsResource
from aichat_backend.api.questions import QuestionResource
from aichat_backend.api.request_log import RequestLog
from aichat_backend.api.sessions import SessionResource
from aichat_backend.api.sse import EventStreams
from aichat_backend.api.tools import ToolResource
from aichat_backend.api.turns import TurnAnswers
from aichat_backend.api.uploads import UploadResource
from aichat_backend.api.usage import UsageResource
from aichat_backend.attachments.extraction import TextExtractor
from aichat_backend.attachments.intake import Intake
from aichat_backend.attachments.limits import UploadLimits
from aichat_backend.attachments.native import NativeFiles
from aichat_backend.attachments.quota import UploadAllowance, UploadQuota
from aichat_backend.chat.assistant import Assistant
from aichat_backend.chat.daily_tokens import DailyTokens
from aichat_backend.chat.elsewhere import Elsewhere
from aichat_backend.chat.flusher import Flusher
from aichat_backend.chat.history import ModelOptions
from aichat_backend.chat.recovery import Recovery
from aichat_backend.chat.runs import RunResources
from aichat_backend.chat.titles import Titles
from aichat_backend.chat.tools import Toolbox
from aichat_backend.chat.turn import TurnResources
from aichat_backend.chat.turn_limits import TurnLimits
from aichat_backend.chat.underway import Owner
from aichat_backend.config.settings import Settings
from aichat_backend.login.grafana import Grafana
from aichat_backend.login.known_callers import KnownCallers
from aichat_backend.mcp.toolbox import McpToolbox
from aichat_backend.providers.base import Provider, Reasoning
from aichat_backend.providers.registry import build_provider
from aichat_backend.storage.audit import SqlAuditTrail
from aichat_backend.storage.conversations import SqlConversationStore
from aichat_backend.storage.database import Storage
from aichat_backend.storage.files import SqlFileStore
from aichat_backend.storage.housekeeping import Housekeeping
from aichat_backend.storage.lasting import LastingDatabase
from aichat_backend.storage.pins import SqlToolPins
from aichat_backend.storage.policies import SqlPolicyTrail
from aichat_backend.storage.runs import SqlRunStore
from aichat_backend.storage.turns import SqlTurnStore
from aichat_backend.storage.usage import SqlUsageStore
from aichat_backend.telemetry.metrics import Metrics
from aichat_backend.this_process import this_process

API_PREFIX = "/v1/chat"

_DATABASE_SECONDS = 3.0
"""How long a start waits to hear how it stands with the database. After that, it listens without it."""

_MOST_CHARACTERS_OF_A_FILE = 200_000

SYSTEM_PROMPT = (
    "You are the assistant of a Percona Monitoring and Management (PMM) server. You help people who run databases "
    "to understand what their servers do and what to improve. Answer in Markdown, briefly and exactly. "
    "Say so when you do not know."
)


@dataclass(frozen=True)
class Service:
    """A wired service: what the server needs to run it."""

    app: web.Application
    database: LastingDatabase
    assistant: Assistant
    provider: Provider
    toolbox: Toolbox
    recovery: Recovery
    housekeeping: Housekeeping

    async def keep_house(self) -> None:
        """Once there is a database, tidy it now and then."""
        await self.database.opened()
        await self.housekeeping.watch()


@dataclass(frozen=True)
class Stores:
    """Everything that is kept in the database."""

    conversations: SqlConversationStore
    turns: SqlTurnStore
    runs: SqlRunStore
    files: SqlFileStore
    usage: SqlUsageStore
    pins: SqlToolPins
    policies: SqlPolicyTrail
    audit: SqlAuditTrail

    @classmethod
    def of(cls, database: Storage, owner: Owner) -> Self:
        """The stores of one database, for one process."""
        return cls(
            conversations=SqlConversationStore(database),
            turns=SqlTurnStore(database, owner),
            runs=SqlRunStore(database),
            files=SqlFileStore(database),
            usage=SqlUsageStore(database),
            pins=SqlToolPins(database),
            policies=SqlPolicyTrail(database),
            audit=SqlAuditTrail(database),
        )


@asynccontextmanager
async def open_service(settings: Settings) -> AsyncIterator[Service]:
    """Begin to open the database, build the provider and wire the application; close all of it in the end.

    Raises:
        StorageError: the database can never be used with this setting, or by this version; the message says why.
    """
    async with AsyncExitStack() as stack:
        database = LastingDatabase(settings.effective_database_url)
        stack.push_async_callback(database.close)
        await database.start(_DATABASE_SECONDS)
        owner = await asyncio.to_thread(this_process, settings.host, settings.port)
        stores = Stores.of(database, owner)
        provider = build_provider(settings)
        stack.push_async_callback(provider.aclose)
        metrics = Metrics()
        toolbox = await stack.enter_async_context(open_toolbox(settings, stores, metrics))
        flusher = Flusher(stores.runs)
        assistant = _assistant(settings, stores, provider, toolbox, metrics, flusher)

        async def provider_problem() -> str | None:
            return provider.problem()

        intake = _intake(settings, provider)
        stack.callback(intake.close)
        checks: dict[str, Check] = {"database": database.problem, "provider": provider_problem}
        routes = Routes()
        if settings.identity == "grafana":
            grafana = Grafana(settings.grafana_url, settings.grafana_timeout)
            stack.push_async_callback(grafana.aclose)
            callers = KnownCallers(grafana.who, seconds=settings.grafana_cache_seconds)
            stack.push_async_callback(callers.aclose)
            checks["login"] = grafana.problem
            routes.add(CallerResource(callers.who, _proxy_secret(settings)), "")
        for prefix in ("", API_PREFIX):
            routes.add(OperationsResource(checks, metrics, notices={"tools": toolbox.problem}), prefix)
        for resource in _resources(settings, stores, assistant, toolbox, intake, metrics):
            routes.add(resource, API_PREFIX)
        routes.add(OpenApiResource(routes), API_PREFIX)
        app = _application(settings, metrics)
        app.add_routes(route.definition for route in routes)
        recovery = Recovery(stores.runs, owner, lambda: flusher.under_way)
        housekeeping = Housekeeping(
            database,
            retention_days=settings.retention_days,
            audit_retention_days=settings.audit_retention_days,
        )
        yield Service(app, database, assistant, provider, toolbox, recovery, housekeeping)


@asynccontextmanager
async def open_toolbox(settings: Settings, stores: Stores, metrics: Metrics) -> AsyncIterator[Toolbox]:
    """The tool servers, which connect when they are told to and are stopped in the end."""
    toolbox = McpToolbox(
        settings.mcp_servers_file,
        pins=stores.pins,
        policies=stores.policies,
        metrics=metrics,
        timeout=settings.tool_timeout,
        output_bytes=_bytes_of_a_tool_output(settings),
    )
    await toolbox.start()
    try:
        yield toolbox
    finally:
        await toolbox.aclose()


def _assistant(
    settings: Settings, stores: Stores, provider: Provider, toolbox: Toolbox, metrics: Metrics, flusher: Flusher
) -> Assistant:
    options = model_options(settings)
    resources = RunResources(
        turn=TurnResources(
            provider=provider,
            toolbox=toolbox,
            files=stores.files,
            options=options,
            limits=TurnLimits(
                rounds=settings.max_tool_rounds,
                seconds=settings.max_turn_seconds,
                tokens=settings.max_turn_tokens,
                calls=settings.max_tool_calls,
                waiting=settings.max_waiting_calls,
            ),
            daily_tokens=DailyTokens(stores.usage.spent_today, settings.max_tokens_per_day),
        ),
        store=stores.turns,
        usage=stores.usage,
        metrics=metrics,
        approval_lifetime=timedelta(seconds=settings.approval_seconds),
        flusher=flusher,
    )
    return Assistant(
        resources,
        stores.conversations,
        Elsewhere(stores.runs),
        max_runs_per_user=settings.max_runs_per_user,
        messages_per_minute=settings.max_messages_per_minute,
        titles=Titles(provider, options, stores.conversations, stores.usage) if settings.auto_titles else None,
    )


def _intake(settings: Settings, provider: Provider) -> Intake:
    able = provider.capabilities
    return Intake(
        limits=UploadLimits(
            files=settings.max_files, file_bytes=settings.max_file_bytes, message_bytes=settings.max_message_bytes
        ),
        native=NativeFiles.of(
            images=able.images, pdfs=able.pdfs, file_room=able.file_room, picture_room=able.picture_room
        ),
        extractor=TextExtractor(characters=_characters_of_a_file(settings)),
    )


def _bytes_of_a_tool_output(settings: Settings) -> int:
    """At most about a quarter of what a question may have, at four bytes a token."""
    return min(settings.effective_context_tokens, settings.tool_output_bytes)


def _characters_of_a_file(settings: Settings) -> int:
    """About half of what a question may have, at four characters a token."""
    return min(2 * settings.effective_context_tokens, _MOST_CHARACTERS_OF_A_FILE)


def _resources(
    settings: Settings, stores: Stores, assistant: Assistant, toolbox: Toolbox, intake: Intake, metrics: Metrics
) -> Iterable[object]:
    """What users of the API reach."""
    answers = TurnAnswers(API_PREFIX)
    quota = UploadQuota(
        UploadAllowance(
            files_an_hour=settings.max_files_per_hour,
            bytes_an_hour=settings.max_upload_bytes_per_hour,
            at_once=settings.max_uploads_at_once,
        )
    )
    files = MessageFiles(intake, stores.files, quota)
    asking = Asking(assistant, Decisions(assistant), files, max_message_bytes=settings.max_message_bytes)
    yield QuestionResource(asking, answers, assistant, EventStreams(metrics), quota, intake.limits)
    yield UploadResource(asking, answers, quota, intake.limits)
    yield DecisionResource(assistant, answers)
    yield SessionResource(stores.conversations, stores.conversations, assistant)
    yield ExportResource(stores.conversations, stores.audit)
    yield AttachmentResource(stores.files)
    yield ToolResource(toolbox)
    yield UsageResource(stores.usage)
    yield AccountResource(assistant)


def _application(settings: Settings, metrics: Metrics) -> web.Application:
    log = RequestLog()
    observation, identity = observation_middleware(metrics, log), identity_middleware(_proxy_secret(settings))
    app = web.Application(
        middlewares=[observation, errors_middleware, identity],
        client_max_size=4 * settings.max_message_bytes + 65_536,
    )
    app.on_response_prepare.append(_name_server)

    async def write_log(_app: web.Application) -> None:
        log.write()

    app.on_cleanup.append(write_log)
    return app


def _proxy_secret(settings: Settings) -> str | None:
    return settings.proxy_secret.reveal() if settings.proxy_secret else None


async def _name_server(_request: web.Request, response: web.StreamResponse) -> None:
    """Keep the versions of what we are built from to ourselves."""
    response.headers["Server"] = "aichat-backend"


def model_options(settings: Settings) -> ModelOptions:
    """What the operator chose for every question."""
    return ModelOptions(
        model=settings.effective_model,
        system=settings.llm_system_prompt or SYSTEM_PROMPT,
        temperature=settings.llm_temperature,
        top_p=settings.llm_top_p,
        max_tokens=settings.llm_max_tokens,
        reasoning=Reasoning(settings.llm_reasoning) if settings.llm_reasoning else None,
        context_tokens=settings.effective_context_tokens,
    )
