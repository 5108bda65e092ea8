"""Grafana's part: the login that opens a session, and who a caller is."""

import json
from http import HTTPStatus

from . import accounts
from .accounts import ROBOT, Account
from .answers import JSONHandler
from .serving import serve

PORT = 3000


class Grafana(JSONHandler):
    """`/graph/login`, `/graph/logout` and the part of `/graph/api/` that tells about callers."""

    def do_POST(self) -> None:
        """Log in with `{"user": …, "password": …}`; the answer sets the session cookie."""
        body = self.read_body()
        if self.path != "/graph/login":
            self.answer(HTTPStatus.NOT_FOUND, {"message": "Not found"})
            return
        try:
            credentials = json.loads(body)
            person = accounts.log_in(credentials["user"], credentials["password"])
        except (ValueError, KeyError, TypeError, AttributeError):
            self.answer(HTTPStatus.BAD_REQUEST, {"message": "bad login data"})
            return
        if not person:
            self.answer(HTTPStatus.UNAUTHORIZED, {"message": "Invalid username or password"})
            return
        cookie = f"{accounts.SESSION_COOKIE}={accounts.open_session(person)}; Path=/; HttpOnly; SameSite=Lax"
        self.answer(HTTPStatus.OK, {"message": "Logged in"}, {"Set-Cookie": cookie})

    def do_GET(self) -> None:
        """Log out, or say who asks."""
        if self.path == "/graph/logout":
            accounts.close_session(self.headers)
            self.answer(HTTPStatus.FOUND, {}, {"Location": "/graph/login"})
        elif self.path == "/graph/api/health":
            self.answer(HTTPStatus.OK, {"database": "ok", "version": "11.6.4"})
        elif not self.path.startswith("/graph/api/"):
            self.answer(HTTPStatus.OK, {"message": "This stands for Grafana. POST /graph/login logs in."})
        elif account := accounts.who_asks(self.headers):
            self._tell(account)
        else:
            self.answer(HTTPStatus.UNAUTHORIZED, {"message": "Unauthorized", "statusCode": 401})

    def _tell(self, account: Account) -> None:
        membership = {"orgId": 1, "name": "Main Org.", "role": account.role}
        match self.path.removeprefix("/graph/api/"):
            case "user":
                self.answer(HTTPStatus.OK, _profile(account))
            case "user/orgs" if account is not ROBOT:
                self.answer(HTTPStatus.OK, [membership])
            case "auth/serviceaccount" if account is ROBOT:
                self.answer(HTTPStatus.OK, membership)
            case _:
                self.answer(HTTPStatus.NOT_FOUND, {"message": "Not found"})


def _profile(account: Account) -> dict[str, object]:
    """A service account is no user, and only its `uid` tells its number."""
    return {
        "id": 0 if account is ROBOT else account.id,
        "uid": f"service-account:{account.id}" if account is ROBOT else f"user{account.id}",
        "login": account.login,
        "orgId": 1,
        "isGrafanaAdmin": account.is_grafana_admin,
        "isDisabled": False,
    }


if __name__ == "__main__":
    serve(PORT, Grafana)
