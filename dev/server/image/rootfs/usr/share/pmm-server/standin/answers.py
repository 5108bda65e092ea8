"""What the stand-ins share: JSON answers over keep-alive connections, and a log line for each."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any


class JSONHandler(BaseHTTPRequestHandler):
    """A request handler that answers with JSON."""

    protocol_version = "HTTP/1.1"

    def answer(self, status: HTTPStatus, body: Any, headers: Mapping[str, str] | None = None) -> None:
        """Send `body` as JSON."""
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)

    def read_body(self) -> bytes:
        """Read the whole request body, so that the connection can be used again."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))
