"""The life of the process: listen, warm up, and on TERM stop without losing anything."""

from __future__ import annotations

import asyncio
import errno
import gc
import signal
from contextlib import suppress

import structlog
from aiohttp import web

from aichat_backend import __version__
from aichat_backend.api.server import SERVER_OPTIONS
from aichat_backend.app import Service, open_service
from aichat_backend.chat.assistant import Assistant
from aichat_backend.chat.tools import Toolbox
from aichat_backend.config.settings import Settings
from aichat_backend.providers.base import Provider

_CONNECTIONS_CLOSE_SECONDS = 2.0
_FIRST_ANSWER_SECONDS = 0.1
"""How long the SDKs wait after the start: their import holds the interpreter, and somebody waits to hear we are up."""

_log = structlog.get_logger(__name__)


class CannotListen(Exception):
    """The address is not ours to listen on. The message is one line that names the setting and the remedy."""


async def serve(settings: Settings) -> None:
    """Serve until TERM or INT, then drain: no new questions, answers under way get their grace, readers hear the end.

    A second TERM or INT ends the grace at once; what was answered so far is kept all the same.

    Raises:
        StorageError: the database can never be used with this setting, or by this version.
        CannotListen: the port is taken, or the address is not this machine's.
    """
    stopping, hurrying = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        (hurrying if stopping.is_set() else stopping).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    # Without a handler the signal would end the process; until the tools are there, there is nothing to read again.
    reloading = asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, reloading.set)
    async with open_service(settings) as service:
        runner = web.AppRunner(
            service.app, handler_cancellation=True, shutdown_timeout=_CONNECTIONS_CLOSE_SECONDS, **SERVER_OPTIONS
        )
        await runner.setup()
        try:
            await _listen(runner, settings)
            # Now the address is ours, so whoever had it before is dead.
            recovering = asyncio.create_task(service.recovery.watch())
            tidying = asyncio.create_task(service.keep_house())
            warming = asyncio.create_task(_warm(service, stopping))
            following = asyncio.create_task(_follow_tool_servers(service.toolbox, reloading))
            await stopping.wait()
            following.cancel()
            recovering.cancel()
            tidying.cancel()
            await _drain(service.assistant, settings.shutdown_grace, hurrying)
            await warming
        finally:
            await runner.cleanup()
    _log.info("stopped")


async def _listen(runner: web.AppRunner, settings: Settings) -> None:
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
    except OSError as error:
        raise CannotListen(_why_not(error, settings)) from error
    _log.info(
        "listening",
        version=__version__,
        host=settings.host,
        port=settings.port,
        provider=settings.llm_provider,
        model=settings.effective_model,
    )


def _why_not(error: OSError, settings: Settings) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"AICHAT_PORT: {settings.port} on {settings.host} is in use by another program; stop it, or set another"
    if error.errno == errno.EACCES:
        return f"AICHAT_PORT: {settings.port} may not be listened on by this user; set one above 1023"
    return f"AICHAT_HOST: {settings.host!r} is no address of this machine ({error.strerror}); 127.0.0.1 always is"


async def _drain(assistant: Assistant, grace: float, hurrying: asyncio.Event) -> None:
    _log.info("draining", grace_seconds=grace)
    draining = asyncio.create_task(assistant.drain(grace))
    hurried = asyncio.create_task(hurrying.wait())
    await asyncio.wait({draining, hurried}, return_when=asyncio.FIRST_COMPLETED)
    hurried.cancel()
    if not draining.done():
        _log.warning("grace_cut_short")
        await assistant.drain(0)
    await draining


async def _follow_tool_servers(toolbox: Toolbox, reloading: asyncio.Event) -> None:
    """Read the file of the tool servers again whenever HUP asks for it."""
    while await reloading.wait():
        reloading.clear()
        await toolbox.refresh()
        _log.info("tool_servers_reloaded", servers=len(toolbox.servers()), tools=len(toolbox.tools()))


async def _warm(service: Service, stopping: asyncio.Event) -> None:
    """Load and start what the first question would otherwise wait for, once the start itself has been seen."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_FIRST_ANSWER_SECONDS):
            await stopping.wait()
            return
    service.toolbox.connect()
    await _warm_provider(service.provider)
    # What the start left behind is freed, and no collection ever looks through what stays: it is most of the memory.
    gc.unfreeze()
    gc.collect()
    gc.freeze()


async def _warm_provider(provider: Provider) -> None:
    problem = provider.problem()
    if problem is not None:
        _log.warning("provider_not_configured", provider=provider.name, problem=problem)
        return
    try:
        await provider.warm()
    except Exception as error:  # noqa: BLE001 - the service runs on, and the first question meets the same trouble
        _log.error("provider_not_warm", provider=provider.name, exc_info=error)
