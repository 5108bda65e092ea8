"""The life of the process: listen, warm up, and on TERM stop without losing anything."""

from __future__ import annotations

import asyncio
import errno
import signal

import structlog
from aiohttp import web

from aichat_backend import __version__
from aichat_backend.app import Service, open_service
from aichat_backend.config.settings import Settings

_CONNECTIONS_CLOSE_SECONDS = 2.0

_log = structlog.get_logger(__name__)


class AddressInUse(Exception):
    """Another program listens where we should."""


async def serve(settings: Settings) -> None:
    """Serve until TERM or INT, then drain: no new questions, answers under way get their grace, readers hear the end.

    Raises:
        StorageError: the database cannot be used.
        AddressInUse: the port is taken.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with open_service(settings) as service:
        runner = web.AppRunner(
            service.app,
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=_CONNECTIONS_CLOSE_SECONDS,
        )
        await runner.setup()
        try:
            await _listen(runner, settings)
            warming = asyncio.create_task(_warm(service))
            await stopping.wait()
            _log.info("draining", grace_seconds=settings.shutdown_grace)
            await service.assistant.drain(settings.shutdown_grace)
            await warming
        finally:
            await runner.cleanup()
    _log.info("stopped")


async def _listen(runner: web.AppRunner, settings: Settings) -> None:
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise AddressInUse(
            f"AICHAT_PORT: {settings.port} on {settings.host} is in use by another program; stop that or choose another"
        ) from error
    _log.info(
        "listening",
        version=__version__,
        host=settings.host,
        port=settings.port,
        provider=settings.llm_provider,
        model=settings.llm_model,
    )


async def _warm(service: Service) -> None:
    problem = service.provider.problem()
    if problem is not None:
        _log.warning("provider_not_configured", provider=service.provider.name, problem=problem)
        return
    await service.provider.warm()
