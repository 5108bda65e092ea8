"""PMM's Grafana, asked who a caller is and whether that is somebody PMM would let in."""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from typing import TypeVar

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from msgspec import DecodeError, Struct, json
from yarl import URL

from aichat_backend.errors import Forbidden, Unauthenticated, Unavailable
from aichat_backend.login.credentials import Credentials

T = TypeVar("T")

_CONNECTIONS = 32
_LONGEST_ANSWER = 262_144
_RETRY_AFTER = 5
_LARGEST_ID = 2**63 - 1
_ORGANIZATION = 1
"""PMM lives in Grafana's first one, and roles in others count nothing there."""
_ROLES = ("Viewer", "Editor", "Admin")
"""Those that are more than none."""
_SERVICE_ACCOUNT = re.compile(r"service-account:([1-9][0-9]{0,18})")


class _Profile(Struct, rename="camel"):
    id: int
    """None of a user's is 0: that is what service accounts, API keys and anonymous callers have."""
    uid: str = ""
    is_grafana_admin: bool = False
    is_disabled: bool = False


class _Membership(Struct, rename="camel"):
    org_id: int
    role: str = ""


class _Trouble(Exception):
    """Grafana does not say what it should; the text is for the log."""


class GrafanaUnavailable(Unavailable):
    """Who calls cannot be found out, so nobody is let in."""

    code = "login_unavailable"

    def __init__(self, detail: str) -> None:
        super().__init__(
            "PMM's login cannot be checked right now. Try again in a little while.",
            retry_after=_RETRY_AFTER,
            detail=detail,
        )


class Grafana:
    """Asks as PMM's own authentication does: the credentials go there and nowhere else, and nothing is kept of them."""

    def __init__(self, url: str, seconds: float) -> None:
        """`seconds` is what all questions about one caller may take together."""
        self._url = URL(url)
        self._seconds = seconds
        self._session = ClientSession(
            connector=TCPConnector(limit=_CONNECTIONS),
            timeout=ClientTimeout(total=None),
            # What is set in the answer to one caller must never be sent for another.
            cookie_jar=DummyCookieJar(),
            # Nothing that a small answer could unfold to.
            auto_decompress=False,
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "aichat-backend"},
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def who(self, credentials: Credentials) -> str:
        """The id of the user, or of the service account, whom the credentials belong to.

        Raises:
            Unauthenticated: they are nobody's.
            Forbidden: they are somebody's who has no role in PMM.
            GrafanaUnavailable: Grafana does not say, or not in time.
        """
        try:
            async with asyncio.timeout(self._seconds):
                return await self._identify(credentials)
        except TimeoutError as error:
            raise GrafanaUnavailable(self._told(f"no answer within {self._seconds:g} s")) from error
        except (ClientError, OSError) as error:
            raise GrafanaUnavailable(self._told(str(error) or type(error).__name__)) from error
        except _Trouble as error:
            raise GrafanaUnavailable(self._told(str(error))) from error

    async def problem(self) -> str | None:
        """Why nobody could be let in; None when all is well."""
        try:
            async with asyncio.timeout(self._seconds):
                status, _body = await self._get("api/health", Credentials())
        except TimeoutError:
            return self._told(f"no answer within {self._seconds:g} s")
        except (ClientError, OSError, _Trouble) as error:
            return self._told(str(error) or type(error).__name__)
        return None if status == HTTPStatus.OK else self._told(f"api/health answered {status}")

    def _told(self, what: str) -> str:
        return f"Grafana at {self._url}: {what}"

    async def _identify(self, credentials: Credentials) -> str:
        if not any(credentials):
            raise Unauthenticated("Authentication required")
        profile = await self._ask("api/user", credentials, _Profile)
        if not 0 <= profile.id <= _LARGEST_ID:
            raise _Trouble(f"api/user named the user {profile.id}")
        if profile.is_disabled:
            raise Unauthenticated("Authentication required: the user is disabled")
        if profile.id == 0:
            return await self._identify_service_account(profile.uid, credentials)
        if not profile.is_grafana_admin:
            _require_role(await self._ask("api/user/orgs", credentials, list[_Membership]))
        return str(profile.id)

    async def _identify_service_account(self, uid: str, credentials: Credentials) -> str:
        """Service accounts have numbers of the same row as users, so theirs are nobody else's."""
        account = _SERVICE_ACCOUNT.fullmatch(uid)
        if account is None:
            raise Unauthenticated("Authentication required: neither a user nor a service account")
        _require_role([await self._ask("api/auth/serviceaccount", credentials, _Membership)])
        return account[1]

    async def _ask(self, path: str, credentials: Credentials, answer: type[T]) -> T:
        status, body = await self._get(path, credentials)
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise Unauthenticated("Authentication required")
        if status != HTTPStatus.OK:
            raise _Trouble(f"{path} answered {status}")
        try:
            return json.decode(body, type=answer)
        except (DecodeError, UnicodeError, RecursionError) as error:
            # Text that is not UTF-8, and lists without end, have errors of their own.
            raise _Trouble(f"{path} answered what cannot be read: {error}") from error

    async def _get(self, path: str, credentials: Credentials) -> tuple[int, bytes]:
        async with self._session.get(
            self._url.joinpath(path), headers=credentials.headers, allow_redirects=False
        ) as response:
            if _leads_to_login(response):
                return HTTPStatus.UNAUTHORIZED, b""
            return response.status, await _read(path, response)


def _require_role(memberships: list[_Membership]) -> None:
    if not any(each.org_id == _ORGANIZATION and each.role in _ROLES for each in memberships):
        raise Forbidden("The chat takes a role in PMM: a viewer's at least.")


def _leads_to_login(response: ClientResponse) -> bool:
    """Grafana sends whom it does not know to its login page, wherever it takes them for a browser."""
    if response.status not in (HTTPStatus.FOUND, HTTPStatus.SEE_OTHER, HTTPStatus.TEMPORARY_REDIRECT):
        return False
    return "login" in response.headers.get("Location", "").partition("?")[0].split("/")


async def _read(path: str, response: ClientResponse) -> bytes:
    read = bytearray()
    async for piece in response.content.iter_any():
        read += piece
        if len(read) > _LONGEST_ANSWER:
            raise _Trouble(f"{path} answered more than {_LONGEST_ANSWER} bytes")
    return bytes(read)
