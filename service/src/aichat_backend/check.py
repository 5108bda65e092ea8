"""Whether the service can work with its settings: each thing it needs is tried and gets a verdict."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from aichat_backend.app import model_options
from aichat_backend.chat.parts import ChatMessage, Role, TextPart
from aichat_backend.config.loading import LoadedSettings
from aichat_backend.config.problems import variable
from aichat_backend.config.settings import Settings
from aichat_backend.errors import ProviderError, Unavailable
from aichat_backend.login.grafana import Grafana
from aichat_backend.mcp.configuration import read_configuration
from aichat_backend.mcp.entries import ServerEntry
from aichat_backend.mcp.problems import FileProblem, Problem
from aichat_backend.providers.base import Finished, ModelRequest, Provider
from aichat_backend.providers.registry import build_provider
from aichat_backend.storage.database import Database
from aichat_backend.storage.engines import missing_file
from aichat_backend.storage.errors import StorageError
from aichat_backend.storage.schema import SchemaAge, schema_age


@dataclass(frozen=True)
class Verdict:
    """What was found about one thing."""

    subject: str
    well: bool
    finding: str

    def __str__(self) -> str:
        return f"{self.subject:<10}{'ok' if self.well else 'failed':<8}{self.finding}"


async def check_all(loaded: LoadedSettings, environment: Mapping[str, str]) -> Sequence[Verdict]:
    """Try settings, database, Grafana where callers are known by it, provider and the file of the tool servers.

    The provider is really asked, for a short answer. No tool server is started: this may run as another user.

    Args:
        loaded: the settings.
        environment: what the file of the tool servers may refer to.
    """
    settings = loaded.settings
    return (
        _check_settings(loaded),
        await _check_database(settings),
        *([await _check_login(settings)] if settings.identity == "grafana" else []),
        await _check_provider(settings, build_provider(settings)),
        await asyncio.to_thread(_check_tool_servers, settings.mcp_servers_file, environment),
    )


def _check_settings(loaded: LoadedSettings) -> Verdict:
    if loaded.warnings:
        return Verdict("settings", False, "; ".join(loaded.warnings))
    return Verdict("settings", True, f"{len(loaded.sources)} set, the rest at their defaults")


_ABOUT_THE_SCHEMA = {
    SchemaAge.OLDER: "; its schema is upgraded at the next start",
    SchemaAge.CURRENT: "",
    SchemaAge.NEWER: "; its schema was made by a newer version and is usable by this one",
}


async def _check_database(settings: Settings) -> Verdict:
    url = settings.effective_database_url
    missing = missing_file(url)
    if missing is not None:
        return _check_folder(missing.parent, variable(settings.database_setting))
    try:
        database = await Database.open(url)
    except StorageError as error:
        return Verdict("database", False, str(error))
    try:
        age = await database.read(schema_age)
    except (StorageError, Unavailable) as error:
        return Verdict("database", False, str(error))
    finally:
        await database.close()
    return Verdict("database", True, f"{database.name} answers{_ABOUT_THE_SCHEMA[age]}")


def _check_folder(folder: Path, setting: str) -> Verdict:
    if not folder.is_dir():
        return Verdict("database", False, f"the folder {folder} does not exist: create it, or set {setting}")
    if not os.access(folder, os.W_OK | os.X_OK):
        return Verdict(
            "database", False, f"the folder {folder} cannot be written by this user: the service's must own it"
        )
    return Verdict("database", True, f"is created in {folder} when the service starts for the first time")


async def _check_login(settings: Settings) -> Verdict:
    grafana = Grafana(settings.grafana_url, settings.grafana_timeout)
    try:
        problem = await grafana.problem()
    finally:
        await grafana.aclose()
    if problem is not None:
        return Verdict("login", False, f"{problem}; {variable('grafana_url')} says where it is")
    return Verdict("login", True, f"Grafana at {settings.grafana_url} answers")


def _check_tool_servers(file: Path, environment: Mapping[str, str]) -> Verdict:
    try:
        configuration = read_configuration(file, environment)
    except FileProblem as error:
        return Verdict("tools", False, f"{file}: {error}")
    odd = (*map(_in_full, configuration.problems), *configuration.warnings)
    if odd:
        return Verdict("tools", False, f"{file}: {'; '.join(odd)}")
    used = sum(isinstance(entry, ServerEntry) and entry.enabled for entry in configuration.entries)
    return Verdict("tools", True, f"{used} of {len(configuration.entries)} servers enabled in {file}")


def _in_full(problem: Problem) -> str:
    """With the path in it: whoever checks is at the machine."""
    return f"{problem.message} ({problem.detail})" if problem.detail else problem.message


async def _check_provider(settings: Settings, provider: Provider) -> Verdict:
    problem = provider.problem()
    if problem is not None:
        return Verdict("provider", False, problem)
    options = model_options(settings)
    request = ModelRequest(
        model=options.model,
        messages=(ChatMessage(Role.USER, (TextPart("Answer with the one word: ready"),)),),
        temperature=options.temperature,
        top_p=options.top_p,
        max_tokens=options.max_tokens,
        reasoning=options.reasoning,
    )
    answered_by = options.model
    started = monotonic()
    try:
        async with aclosing(provider.stream(request)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    answered_by = event.model or answered_by
    except ProviderError as error:
        return Verdict("provider", False, f"{provider.name} {options.model}: {error.message} ({error.detail})")
    finally:
        await provider.aclose()
    return Verdict("provider", True, f"{provider.name} {answered_by} answered in {monotonic() - started:.1f} s")
