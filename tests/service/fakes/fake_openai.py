"""An OpenAI that says what a test tells it to."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fakes.fake_provider import FakeProvider, running
from fakes.openai_wire import answer

FakeOpenAI = FakeProvider


@asynccontextmanager
async def fake_openai(tls: ssl.SSLContext | None = None) -> AsyncIterator[FakeOpenAI]:
    """A running fake; `base_url` is what `AICHAT_LLM_BASE_URL` would be. Without a script it says "Hello there."."""
    fake = FakeProvider(answer("Hello", " there", "."))
    async with running(fake, tls):
        fake.base_url += "/v1"
        yield fake
