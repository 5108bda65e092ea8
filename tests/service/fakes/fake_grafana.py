"""A Grafana that knows some people and a robot, on a real socket of this machine."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from aichat_backend.login.credentials import Credentials

Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Account:
    """Somebody, and how Grafana tells of them."""

    id: int
    role: str = "Viewer"
    organization: int = 1
    is_admin: bool = False
    is_disabled: bool = False
    uid: str = ""

    @property
    def profile(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "uid": self.uid or f"u{self.id}",
            "email": "somebody@example.com",
            "name": "Somebody",
            "login": "somebody",
            "theme": "",
            "orgId": self.organization,
            "isGrafanaAdmin": self.is_admin,
            "isDisabled": self.is_disabled,
            "isExternal": False,
            "authLabels": None,
            "createdAt": "2026-01-01T00:00:00Z",
        }


def by_cookie(session: str) -> Credentials:
    """Whoever has this session, in a browser that has other cookies too."""
    return Credentials(cookie=f"theme=dark; pmm_session={session}")


def by_password(user: str, password: str) -> Credentials:
    return Credentials(authorization="Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())


def by_token(token: str) -> Credentials:
    return Credentials(authorization=f"Bearer {token}")


ALICE, BOB = Account(11, "Admin", is_admin=True), Account(12)
ROBOT = Account(0, "Editor", uid="service-account:21")


@dataclass
class FakeGrafana:
    """Answers as Grafana does; what it was asked can be read, and what it answers be replaced."""

    url: str = ""
    accounts: dict[Credentials, Account] = field(default_factory=dict)
    """What lets somebody in, the cookie of the session alone in place of all cookies."""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Paths and headers, oldest first."""
    instead: dict[str, Reply] = field(default_factory=dict)
    """Path → what answers there."""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/graph/api/")
        self.asked.append((path, dict(request.headers)))
        self.arrived.set()
        if path in self.instead:
            return await self.instead[path](request)
        if path == "health":
            return web.json_response({"database": "ok"})
        account = self._account(request)
        if account is None:
            return web.json_response({"message": "Unauthorized"}, status=401, headers={"Set-Cookie": "pmm_session=x"})
        is_robot = account.uid.startswith("service-account:")
        if path == "user":
            # A cookie that must not come back with the next question, which may be somebody else's.
            return web.json_response(account.profile, headers={"Set-Cookie": "pmm_session=of-another; Path=/"})
        if path == "user/orgs" and not is_robot:
            return web.json_response([{"orgId": account.organization, "name": "Main Org.", "role": account.role}])
        if path == "auth/serviceaccount" and is_robot:
            return web.json_response({"orgId": account.organization, "role": account.role})
        return web.json_response({"message": "Not found"}, status=404)

    def _account(self, request: web.Request) -> Account | None:
        session = request.cookies.get("pmm_session")
        shown = Credentials(
            f"pmm_session={session}" if session else "",
            request.headers.get("Authorization", ""),
        )
        return self.accounts.get(shown)

    def knows(self, credentials: Credentials, account: Account) -> None:
        """Let somebody in."""
        self.accounts[self._bare(credentials)] = account

    def forgets(self, credentials: Credentials) -> None:
        """As after a logout."""
        del self.accounts[self._bare(credentials)]

    def _bare(self, credentials: Credentials) -> Credentials:
        return credentials._replace(cookie=credentials.cookie.rpartition("; ")[2])


def replying(status: int = 200, body: bytes = b"", **headers: str) -> Reply:
    """The same to everybody."""

    async def reply(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body, headers=headers)

    return reply


async def hanging(_request: web.Request) -> web.StreamResponse:
    """Never answers."""
    await asyncio.Event().wait()
    raise AssertionError


async def breaking_off(request: web.Request) -> web.StreamResponse:
    """Promises more than it sends."""
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b'{"id": 11')
    assert request.transport is not None
    request.transport.abort()
    return response


@asynccontextmanager
async def fake_grafana() -> AsyncIterator[FakeGrafana]:
    """A running fake that knows alice, bob and a robot."""
    fake = FakeGrafana()
    fake.knows(by_cookie("of-alice"), ALICE)
    fake.knows(by_password("alice", "pässword"), ALICE)
    fake.knows(by_cookie("of-bob"), BOB)
    fake.knows(by_token("glsa_robot"), ROBOT)
    app = web.Application()
    app.router.add_get("/graph/api/{path:.*}", fake.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None, max_field_size=65_536)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    fake.url = f"http://{host}:{port}/graph"
    try:
        yield fake
    finally:
        await runner.cleanup()
