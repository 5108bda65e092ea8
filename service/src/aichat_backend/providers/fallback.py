"""Several providers as one: when the first cannot answer, the next is asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import NamedTuple

import structlog
from msgspec import structs

from aichat_backend.chat.budget import fitted
from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.base import Capabilities, Event, Finished, ModelRequest, Provider

_ANOTHER_MAY_HELP = frozenset(
    {
        ProviderFailure.NOT_CONFIGURED,
        ProviderFailure.AUTH,
        ProviderFailure.RATE_LIMITED,
        ProviderFailure.OVERLOADED,
        ProviderFailure.UNAVAILABLE,
        ProviderFailure.TIMEOUT,
    }
)
"""What lies with the provider. What lies with the question would fail with the next as well, or hide a mistake."""

_log = structlog.get_logger(__name__)


class Link(NamedTuple):
    """A provider to ask when those before it cannot answer, and its model."""

    provider: Provider
    model: str
    context_tokens: int | None
    """What the question is made to fit; None for the one that it was made for."""

    def question(self, request: ModelRequest) -> ModelRequest:
        """The question as this model is asked."""
        fitting = request if self.context_tokens is None else fitted(request, self.context_tokens)
        return structs.replace(fitting, model=self.model)


class FallbackProvider:
    """Asks its first provider, and the others in their order as long as none has begun to answer.

    It looks like the first, and can what the first can: the others are there for when that fails.
    """

    def __init__(self, first: Provider, others: Sequence[Link]) -> None:
        """The same provider may be there several times, with different models."""
        self.name: str = first.name
        self.capabilities: Capabilities = first.capabilities
        self._first = first
        self._others = tuple(others)

    def problem(self) -> str | None:
        """What keeps the first from being asked, if that is so of all."""
        if any(provider.problem() is None for provider in self._providers()):
            return None
        return self._first.problem()

    async def warm(self) -> None:
        """Prepare each, the first one first."""
        for provider in self._providers():
            await provider.warm()

    async def aclose(self) -> None:
        """Free the connections of all, also when one of them fails to."""
        async with AsyncExitStack() as stack:
            for provider in self._providers():
                stack.push_async_callback(provider.aclose)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Event]:
        """Tell the answer of the first provider that begins one.

        Raises:
            ProviderError: the first one's failure, with the details of all that were asked.
        """
        failures: list[ProviderError] = []
        chain = (Link(self._first, request.model, None), *self._others)
        for position, link in enumerate(chain):
            begun = False
            try:
                async with aclosing(_asked(link, request)) as events:
                    async for event in events:
                        begun = True
                        yield _named(event, link) if position else event
            except ProviderError as failure:
                curable = failure.failure in _ANOTHER_MAY_HELP
                if begun or not (position or curable):
                    raise
                failures.append(failure)
                following = chain[position + 1 :]
                if not following or not curable:
                    break
                _log_switch(link, failure, following[0])
            else:
                return
        raise _together(chain, failures)

    def _providers(self) -> Iterable[Provider]:
        """Each once."""
        return dict.fromkeys((self._first, *(link.provider for link in self._others)))


async def _asked(link: Link, request: ModelRequest) -> AsyncGenerator[Event]:
    if (problem := link.provider.problem()) is not None:
        raise ProviderError(ProviderFailure.NOT_CONFIGURED, problem)
    async with aclosing(link.provider.stream(link.question(request))) as events:
        async for event in events:
            yield event


def _log_switch(link: Link, failure: ProviderError, following: Link) -> None:
    _log.warning(
        "provider_fallback",
        provider=link.provider.name,
        model=link.model,
        failure=failure.failure.value,
        detail=failure.detail,
        next_provider=following.provider.name,
        next_model=following.model,
    )


def _named(event: Event, link: Link) -> Event:
    if isinstance(event, Finished) and event.model is None:
        return structs.replace(event, model=link.model)
    return event


def _together(chain: Iterable[Link], failures: Sequence[ProviderError]) -> ProviderError:
    first = failures[0]
    details = (f"{link.provider.name} {link.model}: {failure}" for link, failure in zip(chain, failures, strict=False))
    return ProviderError(first.failure, "; ".join(details), retry_after=first.retry_after)
