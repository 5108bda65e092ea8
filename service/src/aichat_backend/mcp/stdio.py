"""The transport to a server that we start: JSON-RPC, a line each, over its standard input and output."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import anyio
import structlog
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCMessage, jsonrpc_message_adapter

from aichat_backend.mcp.child import Child
from aichat_backend.mcp.entries import Command
from aichat_backend.mcp.failures import ServerFailed
from aichat_backend.mcp.link import Link
from aichat_backend.mcp.messages import LineSplitter, TooLong
from aichat_backend.whole_characters import with_whole_characters

_REST_FOLLOWS_SECONDS = 0.5
"""How long the output of a server that has exited may stay open, for something else may hold it; and the reverse."""

_log = structlog.get_logger(__name__)

_Incoming: TypeAlias = SessionMessage | Exception


@asynccontextmanager
async def stdio_transport(
    command: Command, link: Link, *, ours: Mapping[str, str], on_stderr: Callable[[bytes], None]
) -> AsyncIterator[tuple[MemoryObjectReceiveStream[_Incoming], MemoryObjectSendStream[SessionMessage]]]:
    """Start the server; its messages end when it does. In the end it is stopped, with all that it started.

    Raises:
        ServerFailed: it cannot be started.
    """
    try:
        # A start that is cut short would leave a process that nobody knows of.
        with anyio.CancelScope(shield=True):
            child = await Child.start(command, ours=ours, on_stderr=on_stderr)
    except OSError as error:
        raise ServerFailed(await _why_not(command, error)) from error
    except UnicodeEncodeError as error:
        raise ServerFailed(
            "its command, arguments or variables hold characters that no program can be given"
        ) from error
    # Nothing is awaited until the process is in the care of the `finally` below.
    incoming, receive = anyio.create_memory_object_stream[_Incoming](0)
    send, outgoing = anyio.create_memory_object_stream[SessionMessage](0)
    output_ended = anyio.Event()
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_read, child, link, incoming, output_ended)
            tasks.start_soon(_write, child, link, outgoing, incoming)
            tasks.start_soon(_notice_end, child, link, incoming, output_ended)
            try:
                yield receive, send
            finally:
                # However this ends, the process ends: every wait in it is bounded.
                with anyio.CancelScope(shield=True):
                    await child.stop()
                tasks.cancel_scope.cancel()
    finally:
        for stream in (receive, incoming, outgoing, send):
            stream.close()


async def _why_not(command: Command, error: OSError) -> str:
    if command.folder is not None and not await asyncio.to_thread(Path(command.folder).is_dir):
        return 'its folder, "cwd", is not there, or closed to the service\'s user'
    return (
        f"its command {Path(command.command).name} cannot be started ({error.strerror}): install it, or give its whole "
        "path; programs are looked for on the PATH of the service"
    )


async def _read(
    child: Child, link: Link, incoming: MemoryObjectSendStream[_Incoming], output_ended: anyio.Event
) -> None:
    """Pass messages on, until the output ends or nobody wants them; then let the rest go by, so that it can exit."""
    splitter = LineSplitter()
    wanted = True
    try:
        while data := await child.read():
            if wanted:
                wanted = await _pass_on(splitter.feed(data), incoming)
    except TooLong:
        link.end("it sent a message that is too long")
    output_ended.set()


async def _pass_on(lines: list[bytes], incoming: MemoryObjectSendStream[_Incoming]) -> bool:
    """Whether the receiver is still there."""
    for line in lines:
        try:
            message = SessionMessage(_decoded(line))
        except ValueError:
            # Some servers greet on their standard output.
            _log.debug("mcp_line_ignored", bytes=len(line))
            continue
        try:
            await incoming.send(message)
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            return False
    return True


def _decoded(line: bytes) -> JSONRPCMessage:
    """The message of a line.

    Raises:
        ValueError: it is none.
    """
    try:
        return jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValueError:
        return jsonrpc_message_adapter.validate_json(with_whole_characters(line), by_name=False)


async def _write(
    child: Child,
    link: Link,
    outgoing: MemoryObjectReceiveStream[SessionMessage],
    incoming: MemoryObjectSendStream[_Incoming],
) -> None:
    with outgoing:
        try:
            async for message in outgoing:
                line = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                await child.write(line.encode() + b"\n")
        except OSError:
            # Nobody will answer: whoever waits for an answer learns of it now.
            link.end("its program does not read its input any more")
            incoming.close()


async def _notice_end(
    child: Child, link: Link, incoming: MemoryObjectSendStream[_Incoming], output_ended: anyio.Event
) -> None:
    """Whichever of the process and its output ends first: the other one mostly follows, but need not.

    What it said last often tells why, so that is heard first.
    """
    async with anyio.create_task_group() as either:

        async def wait_for(event: anyio.Event | asyncio.Event) -> None:
            await event.wait()
            either.cancel_scope.deadline = anyio.current_time() + _REST_FOLLOWS_SECONDS

        either.start_soon(wait_for, child.exited)
        either.start_soon(wait_for, output_ended)
        either.start_soon(child.fell_silent.wait)
    link.end(f"its program {child.how_it_ended}" if child.exited.is_set() else "its program closed its output")
    incoming.close()
