"""pmm-managed's part: it decides for nginx who may call what, and answers its own small API."""

from http import HTTPStatus
from urllib.parse import urlsplit

from . import users
from .answers import JSONHandler
from .users import Role

# The longest prefix that fits decides; Role.NONE needs no login.
MINIMUM_ROLES = {
    "/": Role.ADMIN,
    "/ping": Role.NONE,
    "/prometheus/": Role.VIEWER,
    "/v1/chat/": Role.VIEWER,
    "/v1/chat/health": Role.NONE,
    "/v1/qan": Role.VIEWER,
    "/v1/readyz": Role.NONE,
    "/v1/server/readyz": Role.NONE,
    "/v1/server/version": Role.VIEWER,
    "/v1/version": Role.VIEWER,
}
UNAUTHENTICATED = 16  # gRPC's codes, which PMM's API answers with
PERMISSION_DENIED = 7


class PMMManaged(JSONHandler):
    """`/auth_request` for nginx, the fixed answers of `/v1/server/`, and an echo of whatever else arrives."""

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
        needed = MINIMUM_ROLES[max((prefix for prefix in MINIMUM_ROLES if path.startswith(prefix)), key=len)]
        user = users.who_asks(self.headers)
        if needed is Role.NONE:
            self.answer(HTTPStatus.OK, {})
        elif user is None:
            self._refuse(HTTPStatus.UNAUTHORIZED, UNAUTHENTICATED, "Unauthorized")
        elif user.role < needed:
            self._refuse(HTTPStatus.FORBIDDEN, PERMISSION_DENIED, "Access denied")
        else:
            headers = {"X-Proxy-Filter": user.proxy_filter} if user.proxy_filter else {}
            if path.startswith("/v1/chat/"):
                headers["X-User-ID"] = str(user.id)
            self.answer(HTTPStatus.OK, {}, headers)

    def _refuse(self, status: HTTPStatus, code: int, message: str) -> None:
        self.answer(status, {"code": code, "error": message, "message": message})
