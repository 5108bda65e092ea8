"""A program that has imported the service, and runs it as a process of its own when told: crash_nursery.py LOG

Who kills the service hundreds of times waits for its imports only once. For each line that it reads it starts a
process, whose output goes to the end of the log, and writes two lines: the process's id at once, and its exit status
when it has ended.
"""

from __future__ import annotations

import os
import sys

from aichat_backend import app, cli, commands, serving
from aichat_backend.mcp import owner
from aichat_backend.storage import postgres, sqlite

IMPORTED = (app, cli, commands, owner, postgres, serving, sqlite)
"""What the service imports, some of it later, with all that this needs."""


def serve(log: str) -> int:
    """Be the service."""
    os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND), sys.stdout.fileno())
    os.dup2(sys.stdout.fileno(), sys.stderr.fileno())
    os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())
    return cli.main(["--env-only"])


for _ in sys.stdin:
    pid = os.fork()
    if not pid:
        sys.exit(serve(sys.argv[1]))
    sys.stdout.write(f"{pid}\n")
    sys.stdout.flush()
    sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n")
    sys.stdout.flush()
