"""A tool server's process: alone in its process group, with hardly any environment, and sure to end."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import SubprocessStreamProtocol
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import cast

import structlog

from aichat_backend.mcp.entries import Command

_EXIT_SECONDS = 2.0
"""How long a server may take to leave by itself, after its standard input ended."""
_TERM_SECONDS = 2.0
_KILL_SECONDS = 2.0
_LOOK_AGAIN_SECONDS = 0.02
_BUFFER_BYTES = 262_144

_STDERR = 2
_STDERR_BURST_BYTES = 262_144
_STDERR_REST_SECONDS = 0.1

_INHERITED = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    # Without these a server behind a company's own certificate authority cannot reach anything.
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "UV_SYSTEM_CERTS",
)
"""All that a server gets of our environment, which holds keys."""

_log = structlog.get_logger(__name__)


def child_environment(added: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """The environment of a server: a few harmless variables of ours, and what its entry adds."""
    inherited = {name: ours[name] for name in _INHERITED if name in ours}
    return {"PATH": os.defpath, **inherited, **added}


class Child:
    """A process that runs. Make one with `await Child.start(…)`."""

    def __init__(self, transport: asyncio.SubprocessTransport, protocol: _Protocol) -> None:
        self._transport = transport
        self._stdin = cast(asyncio.StreamWriter, protocol.stdin)
        self._stdout = cast(asyncio.StreamReader, protocol.stdout)
        self.pid = transport.get_pid()
        """Also the id of its process group."""
        self.exited = protocol.exited
        """Set when the process itself is gone; others of its group may still be there."""
        self.fell_silent = protocol.fell_silent
        """Set when all that was written to its standard error has been heard, and no more will come."""

    @classmethod
    async def start(cls, command: Command, *, ours: Mapping[str, str], on_stderr: Callable[[bytes], None]) -> Child:
        """Start it, without a shell.

        Args:
            command: what to start.
            ours: the environment of this process.
            on_stderr: is given what it writes to its standard error.

        Raises:
            OSError: it cannot be started.
        """
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.subprocess_exec(
            lambda: _Protocol(loop, on_stderr),
            command.command,
            *command.arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=child_environment(command.environment, ours),
            cwd=command.folder,
            start_new_session=True,
        )
        return cls(transport, protocol)

    @property
    def how_it_ended(self) -> str:
        """In words, once it has exited."""
        status = self._transport.get_returncode()
        if status is not None and status < 0:
            return f"was ended by signal {-status}"
        return f"ended with exit status {status}"

    async def read(self) -> bytes:
        """The next bytes of its standard output; none at the end."""
        return await self._stdout.read(_BUFFER_BYTES)

    async def write(self, data: bytes) -> None:
        """Write to its standard input.

        Raises:
            OSError: nobody reads it any more.
        """
        self._stdin.write(data)
        await self._stdin.drain()

    async def stop(self) -> None:
        """End it and whatever it started in its group: kindly, then less so. Takes a few seconds at most."""
        try:
            self._stdin.close()
            if await self._gone_within(_EXIT_SECONDS):
                return
            self._signal(signal.SIGTERM)
            if await self._gone_within(_TERM_SECONDS):
                return
            self._signal(signal.SIGKILL)
            if not await self._gone_within(_KILL_SECONDS):
                _log.warning("mcp_process_remains", process_group=self.pid)
        except BaseException:
            self._signal(signal.SIGKILL)
            raise
        finally:
            # On its way out it may complain about what it could not kill.
            with suppress(PermissionError, ProcessLookupError):
                self._transport.close()

    async def _gone_within(self, seconds: float) -> bool:
        """Whether the whole group is gone by then; no event tells of it."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not (self.exited.is_set() and not self._group_exists()):
            if asyncio.get_running_loop().time() >= deadline:
                return False
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        return True

    def _group_exists(self) -> bool:
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


class _Protocol(SubprocessStreamProtocol):
    """asyncio's own for subprocesses; standard error goes elsewhere, and the exit is an event.

    asyncio's `wait()` waits for the pipes too, which a process that the server left behind may keep open.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_stderr: Callable[[bytes], None]) -> None:
        super().__init__(limit=_BUFFER_BYTES, loop=loop)
        self.exited = asyncio.Event()
        self.fell_silent = asyncio.Event()
        self._running_loop = loop
        self._on_stderr = on_stderr
        self._subprocess: asyncio.SubprocessTransport | None = None
        self._burst = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # uvloop's transports are of no class of asyncio's.
        self._subprocess = cast(asyncio.SubprocessTransport, transport)

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        if fd != _STDERR:
            super().pipe_data_received(fd, data)
            return
        self._on_stderr(cast(bytes, data))
        self._burst += len(data)
        if self._burst >= _STDERR_BURST_BYTES:
            self._rest()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        super().pipe_connection_lost(fd, exc)
        if fd == _STDERR:
            self.fell_silent.set()

    def process_exited(self) -> None:
        super().process_exited()
        self.exited.set()

    def _rest(self) -> None:
        """Leave a flood of standard error alone for a moment: it must not keep us from everything else."""
        if self._subprocess is None:
            return
        pipe = cast(asyncio.ReadTransport, self._subprocess.get_pipe_transport(_STDERR))
        pipe.pause_reading()
        self._running_loop.call_later(_STDERR_REST_SECONDS, self._resume, pipe)

    def _resume(self, pipe: asyncio.ReadTransport) -> None:
        self._burst = 0
        if not pipe.is_closing():
            pipe.resume_reading()
