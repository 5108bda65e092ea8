"""pmm-managed's part: it decides for nginx who may call what, and answers its own small API.

With `--stock` it knows nothing of the chat, as the PMM that is released.
"""

import http.client
import json
import sys
from enum import IntEnum
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from . import grafana
from .answers import JSONHandler
from .serving import serve

PORT = 7772
GRAFANA_SECONDS = 3


class Role(IntEnum):
    """What a path may ask for; a greater one may do all that a lesser one may."""

    NONE = 0
    VIEWER = 1
    EDITOR = 2
    ADMIN = 3
    GRAFANA_ADMIN = 4


# The longest prefix that fits decides, and without one only Grafana's administrators may; Role.NONE needs no login.
RULES = {
    "/ping": Role.NONE,
    "/prometheus/": Role.VIEWER,
    "/v1/qan": Role.VIEWER,
    "/v1/readyz": Role.NONE,
    "/v1/server/readyz": Role.NONE,
    "/v1/server/settings": Role.ADMIN,
    "/v1/server/version": Role.VIEWER,
    "/v1/version": Role.VIEWER,
}
RULES_OF_THE_CHAT = {
    "/v1/chat/": Role.VIEWER,
    "/v1/chat/health": Role.NONE,
}
FILTERS = {12: "WyJlbnZpcm9ubWVudD1kZW1vIl0="}
"""User id → what PMM makes of a limit to some labels: base64 of a JSON list."""

INTERNAL = 13  # gRPC's codes, which PMM's API answers with
UNAUTHENTICATED = 16
PERMISSION_DENIED = 7


class Caller(NamedTuple):
    """Whom Grafana names; a service account is nobody in particular."""

    id: int
    role: Role


class PMMManaged(JSONHandler):
    """`/auth_request` for nginx, the fixed answers of `/v1/server/`, and an echo of whatever else arrives."""

    rules = RULES | RULES_OF_THE_CHAT

    def do_GET(self) -> None:
        """Answer any method alike: nginx authenticates each request with its own."""
        self.read_body()
        path = urlsplit(self.path).path
        if path == "/auth_request":
            self._authenticate()
        elif path == "/v1/server/version":
            self.answer(HTTPStatus.OK, {"version": "3.5.0", "server": {"version": "3.5.0"}})
        elif path == "/v1/server/readyz":
            self.answer(HTTPStatus.OK, {})
        else:
            headers = dict(self.headers.items())
            self.answer(HTTPStatus.OK, {"method": self.command, "path": self.path, "headers": headers})

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET

    def _authenticate(self) -> None:
        path = urlsplit(self.headers.get("X-Original-Uri", "/")).path
        fitting = max((prefix for prefix in self.rules if path.startswith(prefix)), key=len, default="")
        needed = self.rules.get(fitting, Role.GRAFANA_ADMIN)
        if needed is Role.NONE:
            self.answer(HTTPStatus.OK, {})
            return
        try:
            caller = self._caller()
        except (OSError, http.client.HTTPException):
            self._refuse(INTERNAL, "Internal server error.")
            return
        if caller is None:
            self._refuse(UNAUTHENTICATED, "Unauthorized")
        elif caller.role < needed:
            self._refuse(PERMISSION_DENIED, "Access denied.")
        else:
            headers = {"X-Proxy-Filter": FILTERS[caller.id]} if caller.id in FILTERS else {}
            if fitting in RULES_OF_THE_CHAT and caller.id:
                headers["X-User-ID"] = str(caller.id)
            self.answer(HTTPStatus.OK, {}, headers)

    def _caller(self) -> Caller | None:
        if self.headers.get("Authorization", "").startswith("Bearer "):
            membership = self._ask_grafana("auth/serviceaccount")
            return membership and Caller(0, Role[membership["role"].upper()])
        user = self._ask_grafana("user")
        if user is None:
            return None
        if user["isGrafanaAdmin"]:
            return Caller(user["id"], Role.GRAFANA_ADMIN)
        (membership,) = self._ask_grafana("user/orgs")
        return Caller(user["id"], Role[membership["role"].upper()])

    def _ask_grafana(self, what: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", grafana.PORT, timeout=GRAFANA_SECONDS)
        headers = {name: self.headers[name] for name in ("Authorization", "Cookie") if name in self.headers}
        try:
            connection.request("GET", f"/graph/api/{what}", headers=headers)
            response = connection.getresponse()
            body = response.read()
            return json.loads(body) if response.status == HTTPStatus.OK else None
        finally:
            connection.close()

    def _refuse(self, code: int, message: str) -> None:
        """Whatever the reason: on a 401 alone, PMM's nginx asks once more for the body, which has the reason."""
        self.answer(HTTPStatus.UNAUTHORIZED, {"code": code, "error": message, "message": message})


class StockPMMManaged(PMMManaged):
    """The one that is released."""

    rules = RULES


if __name__ == "__main__":
    serve(PORT, StockPMMManaged if "--stock" in sys.argv[1:] else PMMManaged)
