"""Grafana's part: the login that opens a session, and who a session belongs to."""

import json
from http import HTTPStatus

from . import users
from .answers import JSONHandler


class Grafana(JSONHandler):
    """`/graph/login` and `/graph/api/user`."""

    def do_POST(self) -> None:
        """Log in with `{"user": …, "password": …}`; the answer sets the session cookie."""
        body = self.read_body()
        if self.path != "/graph/login":
            self.answer(HTTPStatus.NOT_FOUND, {"message": "Not found"})
            return
        try:
            credentials = json.loads(body)
            user = users.log_in(credentials["user"], credentials["password"])
        except (ValueError, KeyError, TypeError, AttributeError):
            self.answer(HTTPStatus.BAD_REQUEST, {"message": "bad login data"})
            return
        if not user:
            self.answer(HTTPStatus.UNAUTHORIZED, {"message": "Invalid username or password"})
            return
        cookie = f"{users.SESSION_COOKIE}={users.open_session(user)}; Path=/; HttpOnly; SameSite=Lax"
        self.answer(HTTPStatus.OK, {"message": "Logged in"}, {"Set-Cookie": cookie})

    def do_GET(self) -> None:
        """Say who is logged in."""
        if self.path != "/graph/api/user":
            self.answer(HTTPStatus.OK, {"message": "This stands for Grafana. POST /graph/login logs in."})
            return
        user = users.who_asks(self.headers)
        if user:
            self.answer(HTTPStatus.OK, {"id": user.id, "login": user.login})
        else:
            self.answer(HTTPStatus.UNAUTHORIZED, {"message": "Unauthorized"})
