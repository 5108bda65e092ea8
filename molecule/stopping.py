"""Plays that are stopped, so that they go on and get nowhere, until they are ended."""

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from following import begin, follow_to


@contextmanager
def stopped_at(
    task: str, edition: Path | None, variables: Mapping[str, object], *, name: str = "deploy_ai_chat"
) -> Iterator[int]:
    """Play, stop it as soon as this task has begun, and kill it in the end; gives the number of its process."""
    process = begin(name, edition, variables)
    assert process.stdout is not None
    try:
        follow_to(task, process.stdout)
        process.send_signal(signal.SIGSTOP)
        yield process.pid
    finally:
        process.kill()
        process.communicate()
