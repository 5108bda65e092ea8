"""Plays that are stopped, so that they go on and get nowhere, until they are ended."""

import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from controller import PROJECT, environment, playing


@contextmanager
def stopped_at(task: str, edition: Path | None, variables: Mapping[str, object]) -> Iterator[int]:
    """Deploy, stop it as soon as this task has begun, and kill it in the end; gives the number of its process."""
    header = re.compile(rf"(TASK|RUNNING HANDLER) \[.*: {re.escape(task)}\]")
    process = subprocess.Popen(
        playing("deploy_ai_chat", variables),
        cwd=PROJECT,
        env=environment(edition),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if header.match(line):
                break
        else:
            raise AssertionError(f"the play ended before it came to: {task}\n{''.join(said[-40:])}")
        process.send_signal(signal.SIGSTOP)
        yield process.pid
    finally:
        process.kill()
        process.communicate()
