"""A provider that says what a test tells it to, when the test tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from aichat_backend.chat.parts import Usage
from aichat_backend.errors import ProviderError
from aichat_backend.providers.base import (
    Capabilities,
    Event,
    Finished,
    FinishReason,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    ToolCall,
)

PATIENCE_SECONDS = 30
"""How long a test waits for what must happen, before it fails instead of hanging."""


class Call:
    """One question that the provider was asked."""

    def __init__(self, request: ModelRequest) -> None:
        self.request = request
        self.left = asyncio.Event()
        """Set when whoever asked stops listening before the end."""
        self.script: asyncio.Queue[Event | Exception] = asyncio.Queue()

    def say(self, *texts: str) -> None:
        """Go on with the answer, each text as an event of its own."""
        for text in texts:
            self.script.put_nowait(TextDelta(text))

    def think(self, text: str) -> None:
        """Reason aloud."""
        self.script.put_nowait(ReasoningDelta(text))

    def use(self, id_: str, name: str, arguments: str = "{}") -> None:
        """Call a tool."""
        self.script.put_nowait(ToolCall(id_, name, arguments))

    def finish(self, usage: Usage | None = None) -> None:
        """End the answer well."""
        self.script.put_nowait(Finished(FinishReason.STOP, usage))

    def fail(self, error: Exception) -> None:
        """Break down."""
        self.script.put_nowait(error)


class ScriptedProvider:
    """Keeps every promise of a `Provider`; what it says comes from the test, step by step."""

    name = "scripted"
    capabilities = Capabilities()

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.trouble: str | None = None
        """What `problem` answers."""
        self.fails_when_left: ProviderError | None = None
        """What breaks when the asker leaves, as a connection may when it is closed."""
        self._asked: asyncio.Queue[Call] = asyncio.Queue()

    async def asked(self) -> Call:
        """The next question; waits for it."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._asked.get()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Event]:
        """Say what the test put on the script."""
        call = Call(request)
        self.calls.append(call)
        self._asked.put_nowait(call)
        try:
            while not isinstance(step := await call.script.get(), Finished):
                if isinstance(step, Exception):
                    raise step
                yield step
        except (asyncio.CancelledError, GeneratorExit):
            call.left.set()
            if self.fails_when_left is not None:
                raise self.fails_when_left from None
            raise
        yield step

    async def warm(self) -> None:
        """Nothing to prepare."""

    def problem(self) -> str | None:
        """What the test set as `trouble`."""
        return self.trouble

    async def aclose(self) -> None:
        """Nothing to free."""
