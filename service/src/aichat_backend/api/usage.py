"""`/usage`: what the caller has spent."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from msgspec import Struct

from aichat_backend.api.endpoints import as_json, endpoint
from aichat_backend.api.identity import user_of
from aichat_backend.api.json import json_response
from aichat_backend.chat.usage import DailyUsage, UsageStore


class UsageList(Struct, frozen=True):
    """Tokens by day and model, newest day first."""

    usage: Sequence[DailyUsage]


class UsageResource:
    """The tokens of the caller."""

    def __init__(self, store: UsageStore) -> None:
        self._store = store

    @endpoint("GET", "/usage", {200: as_json(UsageList)})
    async def by_day(self, request: web.Request) -> web.Response:
        """What the caller has spent, in tokens, by day and model. What a provider did not count is estimated."""
        return json_response(UsageList(await self._store.by_day(user_of(request))))
