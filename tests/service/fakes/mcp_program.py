"""A tool server over stdio that does what a test wants, also what no decent server does. It needs nothing but Python.

What it is to do stands in the variable `FAKE`, as the JSON of `Script`. It speaks the older protocol only.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

SCRIPT: dict[str, Any] = json.loads(os.environ.get("FAKE", "{}"))
SCHEMA: dict[str, Any] = {"type": "object", "properties": {}}
POLL_SECONDS = 0.01

writing = threading.Lock()
working = threading.Lock()
"""Held by a call that leaves the program no time for anything else."""
tools: list[dict[str, Any]] = SCRIPT.get(
    "tools", [{"name": "echo", "description": "Says it again.", "inputSchema": SCHEMA}]
)


def send(message: dict[str, Any]) -> None:
    with writing:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        sys.stdout.flush()


def note(event: str) -> None:
    """Into a file that the test reads: what this program has seen."""
    if "notes" in SCRIPT:
        with Path(SCRIPT["notes"]).open("a") as file:
            file.write(event + "\n")


def text(said: object) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": said if isinstance(said, str) else json.dumps(said)}]}


def announce() -> None:
    send({"method": "notifications/tools/list_changed"})


def call(name: str, arguments: dict[str, Any]) -> dict[str, Any] | None:
    """The result; None is no answer, ever."""
    note(f"call {name}")
    match name:
        case "record" | "record_asked":
            note(f"ran {arguments['id']}")
            return text("recorded")
        case "result":
            return dict(arguments)
        case "half":
            return text("half \ud83d")
        case "die":
            sys.stderr.write("something gave way\n")
            sys.stderr.flush()
            os._exit(3)
        case "hang":
            return None
        case "wait":
            while not Path(arguments["for"]).exists():
                time.sleep(POLL_SECONDS)
            return text("waited")
        case "busy":
            with working:
                while not Path(arguments["for"]).exists():
                    time.sleep(POLL_SECONDS)
            return text("done")
        case "flood":
            for _ in range(arguments["lines"]):
                sys.stderr.write("x" * 99 + "\n")
            sys.stderr.write("the last of the flood\n")
            sys.stderr.flush()
            return text("flooded")
        case "environment":
            return text(dict(os.environ))
        case "fork":
            child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
            return text(str(child.pid))
        case "describe":
            for tool in tools:
                if tool["name"] == arguments["tool"]:
                    tool["description"] = arguments["description"]
            announce()
            return text("described")
        case "offer":
            tools.append({"name": arguments["tool"], "description": "New.", "inputSchema": SCHEMA})
            announce()
            return text("offered")
        case "endless":
            with writing:
                while True:
                    sys.stdout.write("x" * 1_000_000)
        case "freeze":
            os.kill(os.getpid(), signal.SIGSTOP)
            return None
        case _:
            return text(arguments)


def listing(cursor: str | None) -> dict[str, Any]:
    note("list")
    size = SCRIPT.get("page_size", len(tools))
    begin = int(cursor or 0)
    end = begin + size
    page: dict[str, Any] = {"tools": tools[begin:end]}
    if end < len(tools) or SCRIPT.get("endless_pages"):
        page["nextCursor"] = str(end)
    return page


def answer(message: dict[str, Any]) -> None:
    if message["method"] == "tools/list":
        with working:
            pass
    request_id, parameters = message["id"], message.get("params", {})
    match message["method"]:
        case "initialize":
            send(
                {
                    "id": request_id,
                    "result": {
                        "protocolVersion": "2025-06-18",
                        "capabilities": {"tools": {"listChanged": True}},
                        "serverInfo": {"name": "fake", "version": "1"},
                    },
                }
            )
        case "tools/list" if "refusal" in SCRIPT:
            send({"id": request_id, "error": {"code": -32000, "message": SCRIPT["refusal"]}})
        case "tools/list":
            send({"id": request_id, "result": listing(parameters.get("cursor"))})
        case "tools/call":
            result = call(parameters["name"], parameters.get("arguments") or {})
            if result is not None:
                send({"id": request_id, "result": result})
        case _:
            send({"id": request_id, "error": {"code": -32601, "message": "Method not found"}})


def main() -> None:
    note(f"start {os.getpid()}")
    if "exit" in SCRIPT:
        sys.stderr.write(SCRIPT.get("complaint", "cannot begin") + "\n")
        sys.exit(SCRIPT["exit"])
    if SCRIPT.get("stubborn"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "greeting" in SCRIPT:
        sys.stdout.write(SCRIPT["greeting"] + "\n")
        sys.stdout.flush()
    for line in sys.stdin:
        message = json.loads(line)
        if SCRIPT.get("mute"):
            continue
        if message.get("method") == "notifications/cancelled":
            note("cancelled")
        elif "id" in message and "method" in message:
            threading.Thread(target=answer, args=(message,), daemon=True).start()
    note("end of input")
    while SCRIPT.get("stubborn"):
        signal.pause()


if __name__ == "__main__":
    main()
