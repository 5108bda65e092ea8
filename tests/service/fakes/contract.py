"""The wire contract's common rules, as checks."""

from __future__ import annotations

import re

from fakes.backend import Answer

ID = re.compile(r"[A-Za-z0-9_-]{16,64}")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def assert_error(answer: Answer, status: int, code: str, naming: str = "") -> None:
    """An error in the one shape that all have, with a sentence that names the culprit."""
    assert (answer.status, answer.json.get("code")) == (status, code), answer
    assert answer.json.keys() == {"error", "code", "request_id"}
    assert all(isinstance(value, str) and value for value in answer.json.values())
    assert answer.headers["X-Request-ID"] == answer.json["request_id"]
    assert naming in answer.json["error"]
    assert "Traceback" not in answer.json["error"]
