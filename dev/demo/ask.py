"""Ask the chat a question and print the answer while it is being made: ask.py BASE_URL LOGIN QUESTION.

The password comes from PMM_PASSWORD. It speaks as PMM's web page does: one POST starts the answer, an event stream
brings it.
"""

import base64
import json
import os
import sys
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urljoin
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

PATIENCE = 120  # seconds without a byte


class AskFailed(Exception):
    """The question got no whole answer; the message says why."""


def main(base: str, login: str, question: str) -> None:
    """Ask and print."""
    credentials = base64.b64encode(f"{login}:{os.environ['PMM_PASSWORD']}".encode()).decode()
    opener = build_opener(ProxyHandler({}))
    opener.addheaders = [("Authorization", f"Basic {credentials}")]
    print(f"{login}: {question}")
    print("answer: ", end="", flush=True)
    started = send(opener, base, question)
    for event in events(opener, urljoin(base, started["stream_url"])):
        if event["type"] == "message":
            print(event["content"], end="", flush=True)
        elif event["type"] == "error":
            raise AskFailed(event.get("error") or "the stream ended with an error")
        elif event["type"] == "done":
            print()
            return
    raise AskFailed("the stream ended without a last word")


def send(opener: OpenerDirector, base: str, question: str) -> dict[str, Any]:
    """Start the answer; return where to read it."""
    body = json.dumps({"message": question}).encode()
    request = Request(urljoin(base, "/v1/chat/send?streaming=true"), body, {"Content-Type": "application/json"})
    with opener.open(request, timeout=PATIENCE) as response:
        started: dict[str, Any] = json.load(response)
        return started


def events(opener: OpenerDirector, url: str) -> Iterator[dict[str, Any]]:
    """Yield the stream's events as they arrive."""
    with opener.open(Request(url, headers={"Accept": "text/event-stream"}), timeout=PATIENCE) as stream:
        for line in stream:
            if line.startswith(b"data:"):
                yield json.loads(line.removeprefix(b"data:"))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except HTTPError as refused:
        said = refused.read().decode(errors="replace")
        raise SystemExit(f"\nerror: {refused.url} answered {refused.code}: {said}") from None
    except (URLError, OSError, AskFailed) as failure:
        raise SystemExit(f"\nerror: {failure}") from None
